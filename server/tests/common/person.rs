//! A person's keys, and what they sign.

use chacha20::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};
use wheesht_core::{
    opaque::{Identifiers, KsfCost},
    proto::{
        address::{Address, Name},
        ids::{DepositAddress, DeviceId},
        relay,
    },
    signed::{
        DeviceCertificate, DeviceSigningKey, Draft, IdentityKey, Manifest, PrekeyKind, SignedPrekey,
        Statement,
    },
    time::Timestamp,
};

pub const COST: KsfCost = KsfCost::insecure_fast();
pub const PASSWORD: &str = "correct horse battery staple";

pub struct Person {
    pub name: Name,
    pub relay: String,
    pub identity: IdentityKey,
    pub devices: Vec<TestDevice>,
    pub manifest: Manifest,
    pub request_address: DepositAddress,
    pub rng: ChaCha20Rng,
}

pub struct TestDevice {
    pub key: DeviceSigningKey,
    pub certificate: DeviceCertificate,
}

impl Person {
    pub fn new(name: &str, relay: &str, seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let identity = IdentityKey::generate(&mut rng);
        let device = TestDevice::new(&identity, &mut rng);
        let name: Name = name.parse().unwrap();
        let address = Address::new(name.clone(), relay.parse().unwrap());
        let manifest = Manifest::first(&identity, &address, device.certificate.clone(), now()).unwrap();
        let request_address = deposit_address(&mut rng);
        Self {
            name,
            relay: relay.to_owned(),
            identity,
            devices: vec![device],
            manifest,
            request_address,
            rng,
        }
    }

    pub fn who(&self) -> Identifiers<'_> {
        Identifiers { name: &self.name, relay: &self.relay }
    }

    /// A generator of its own, for where the person is borrowed.
    pub fn fork(&mut self) -> ChaCha20Rng {
        ChaCha20Rng::from_rng(&mut self.rng)
    }

    pub fn device_id(&self, index: usize) -> DeviceId {
        self.devices[index].key.device_id()
    }

    pub fn new_device(&mut self) -> TestDevice {
        TestDevice::new(&self.identity, &mut self.rng)
    }

    pub fn new_address(&mut self) -> DepositAddress {
        deposit_address(&mut self.rng)
    }

    /// The next manifest with these devices.
    pub fn draft(&self, devices: &[&TestDevice]) -> Draft {
        let certificates = devices.iter().map(|device| device.certificate.clone()).collect();
        self.manifest.draft_next(&self.identity, certificates, now()).unwrap()
    }
}

impl TestDevice {
    fn new(identity: &IdentityKey, rng: &mut ChaCha20Rng) -> Self {
        let key = DeviceSigningKey::generate(rng);
        let certificate = DeviceCertificate::issue(identity, &key.verifying_key(), [9; 32], now());
        Self { key, certificate }
    }

    pub fn prekey(&self, kind: PrekeyKind, id: u32) -> Vec<u8> {
        let length = match kind {
            PrekeyKind::OneTimeKem | PrekeyKind::LastResortKem => 1184,
            _ => 32,
        };
        let expires = now().plus_millis(1_000_000_000);
        SignedPrekey::sign(&self.key, kind, id, &vec![7; length], now(), expires).unwrap().encoded().to_vec()
    }

    pub fn upload(&self, one_time: std::ops::Range<u32>) -> relay::UploadPrekeys {
        relay::UploadPrekeys {
            signed_prekey: self.prekey(PrekeyKind::SignedX25519, 1),
            last_resort_kem: self.prekey(PrekeyKind::LastResortKem, 1),
            one_time: one_time.clone().map(|id| self.prekey(PrekeyKind::OneTimeX25519, id)).collect(),
            one_time_kem: one_time.map(|id| self.prekey(PrekeyKind::OneTimeKem, id)).collect(),
        }
    }

    pub fn statement(&self, counter: u64) -> Vec<u8> {
        Statement::sign(&self.key, counter, now()).encoded().to_vec()
    }
}

/// The id of a prekey that a bundle holds.
pub fn one_time(prekey: &[u8]) -> (PrekeyKind, u32) {
    use wheesht_core::proto::{account, prost::Message};
    let signed = account::SignedPrekey::decode(prekey).unwrap();
    let prekey = account::Prekey::decode(&*signed.prekey).unwrap();
    (prekey.kind(), prekey.id)
}

fn deposit_address(rng: &mut ChaCha20Rng) -> DepositAddress {
    let mut address = [0; 16];
    rng.fill_bytes(&mut address);
    DepositAddress::new(address)
}

pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_millis(since.as_millis() as u64)
}
