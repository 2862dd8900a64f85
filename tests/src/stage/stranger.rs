//! Somebody with keys of their own and no account: what a relay, or anyone who knows an address, can make up.
//!
//! ```text
//!   identity, manifest for any name ──▶ a genuine session with a victim's device ──▶ contents by hand ──▶ envelopes
//! ```
//!
//! The sessions are genuine, so that a victim's engine gets as far as to look at what is said.

use chacha20::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use wheesht_core::{
    crypto::dh::DhSecret,
    proto::{
        content::{ContactRequest, Content, ReplyAddress, content::Body},
        ids::{AccountId, EnvelopeId},
        prost::Message as _,
        relay::{self, Deliver, Lookup, LookupOk, client_frame, relay_frame},
        session::{RatchetMessage, SessionMessage, session_message::Kind},
    },
    protocol::{LocalDevice, Session, envelope, prekeys::UnverifiedBundle},
    signed::{DeviceCertificate, DeviceSigningKey, IdentityKey, Manifest, UnverifiedManifest},
};

use super::{Stage, address};

/// See the module.
pub struct Stranger {
    certificate: DeviceCertificate,
    dh: DhSecret,
    manifest: Manifest,
    session: Option<Session>,
    rng: ChaCha20Rng,
}

impl Stranger {
    /// Its identity.
    pub fn id(&self) -> AccountId {
        self.certificate.identity()
    }

    /// What speaks for its device.
    pub fn certificate(&self) -> &DeviceCertificate {
        &self.certificate
    }

    /// A contact request that says this.
    pub fn request(&self, text: &str) -> Body {
        let reply =
            ReplyAddress { device_id: self.certificate.device_id().to_vec(), address: vec![0x77; 16] };
        Body::ContactRequest(ContactRequest {
            text: text.to_owned(),
            manifest: self.manifest.encoded().to_vec(),
            reply: vec![reply],
            relay_endpoint: "relay.test".to_owned(),
        })
    }
}

impl Stage {
    /// Somebody who says that this name is theirs.
    ///
    /// # Panics
    /// If it is no name.
    pub fn stranger(&mut self, name: &str) -> Stranger {
        let mut rng = ChaCha20Rng::seed_from_u64(self.rng.next_u64());
        let (identity, device) = (IdentityKey::generate(&mut rng), DeviceSigningKey::generate(&mut rng));
        let dh = DhSecret::generate(&mut rng);
        let dh_key = dh.public().to_vec().try_into().expect("a key's length");
        let certificate = DeviceCertificate::issue(&identity, &device.verifying_key(), dh_key, self.now);
        let manifest = Manifest::first(&identity, &address(name), certificate.clone(), self.now);
        Stranger { certificate, dh, manifest: manifest.expect("a manifest"), session: None, rng }
    }

    /// What the relay says of a name.
    ///
    /// # Panics
    /// If it knows none.
    pub fn looked_up(&mut self, name: &str) -> LookupOk {
        let lookup = client_frame::Body::Lookup(Lookup { name: name.to_owned() });
        match self.anyone(lookup) {
            relay_frame::Body::LookupOk(found) => found,
            other => panic!("{other:?}"),
        }
    }

    /// The only device of a name, as its manifest has it.
    ///
    /// # Panics
    /// If it has none.
    pub fn device_of(&mut self, name: &str) -> DeviceCertificate {
        let found = self.looked_up(name);
        let manifest = UnverifiedManifest::decode(&found.manifest).expect("a manifest").assume_verified();
        manifest.devices().first().expect("a device").clone()
    }

    /// A stranger says this to somebody's only device: an envelope.
    ///
    /// # Panics
    /// If the relay gives no prekeys.
    pub fn by_hand(&mut self, stranger: &mut Stranger, to: &str, content: &Content) -> Vec<u8> {
        let (found, device) = (self.looked_up(to), self.device_of(to));
        let Stranger { certificate, dh, session, rng, .. } = stranger;
        if session.is_none() {
            let fetch =
                relay::FetchBundle { address: found.request_address, device_id: device.device_id().to_vec() };
            let answer = self.anyone(client_frame::Body::FetchBundle(fetch));
            let relay_frame::Body::Bundle(bundle) = answer else { panic!("{answer:?}") };
            let bundle = UnverifiedBundle::decode(&bundle).and_then(|one| one.verify(&device, self.now));
            let local = LocalDevice { certificate, dh };
            let begun = Session::initiate(&local, &device, &bundle.expect("prekeys"), 0, self.now, rng);
            *session = Some(begun.expect("a session"));
        }
        let session = session.as_mut().expect("a session");
        let message = session.encrypt(&content.encode_to_vec(), &[], self.now, rng).expect("it fits");
        envelope::seal(&device, certificate, &message, rng).expect("it fits")
    }

    /// An envelope that claims to be of this device, with a message in it that nobody can read.
    ///
    /// # Panics
    /// If it can't be sealed.
    pub fn unreadable(&mut self, claimed: &DeviceCertificate, to: &str) -> Vec<u8> {
        let device = self.device_of(to);
        let mut key = vec![0; 32];
        self.rng.fill_bytes(&mut key);
        let message = RatchetMessage {
            session_id: key[..8].to_vec(),
            ratchet_key: key,
            synthetic: vec![5; 32],
            ciphertext: vec![6; 176],
            ..Default::default()
        };
        let message = SessionMessage { version: 1, kind: Some(Kind::Ratchet(message)) }.encode_to_vec();
        envelope::seal(&device, claimed, &message, &mut self.rng).expect("it fits")
    }
}

/// What the relay pushes of an envelope that came through this address.
pub fn pushed_through(address: &[u8], envelope: Vec<u8>) -> Deliver {
    let envelope_id = EnvelopeId::of(&envelope).to_vec();
    Deliver { address: address.to_vec(), envelope: envelope.into(), envelope_id, ..Default::default() }
}
