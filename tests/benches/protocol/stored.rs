//! Opening a group that is stored: its verified state, the leaves of its devices, and the roster's hash, from bytes to what is
//! asked of them. Decrypting the rows is the store's share and not counted.

use std::hint::black_box;

use wheesht_core::{
    crypto::secret::Secret,
    proto::{
        address::{Address, RelayAddress},
        ids::{DepositAddress, GroupId, RecordId},
    },
    protocol::group::{
        Action, Consent, Description, Draft, Epoch, Leaf, OuterKey, Policy, RecordPlace, Roster, State, found,
    },
    signed::{DeviceCertificate, DeviceSigningKey, IdentityKey, ManifestHead},
};

use super::{Group, NOW, OURS};

/// Consents that one change takes.
const AT_ONCE: u16 = 32;

struct Member {
    device: DeviceSigningKey,
    certificate: DeviceCertificate,
    address: Address,
}

impl Member {
    fn new(number: u16) -> Self {
        Self::of(number, 0)
    }

    fn of(number: u16, device: u8) -> Self {
        let mut seed = [1; 32];
        seed[..2].copy_from_slice(&number.to_be_bytes());
        let identity = IdentityKey::from_secret_bytes(&seed);
        seed[2] = 2 + device;
        let device = DeviceSigningKey::from_secret_bytes(&seed);
        let certificate = DeviceCertificate::issue(&identity, &device.verifying_key(), seed, NOW);
        let address = format!("member{number}@relay.example.org").parse().unwrap();
        Self { device, certificate, address }
    }

    fn consent(&self, group: GroupId, inviter: &Self) -> Action {
        let inviter = inviter.certificate.identity();
        let consent =
            Consent::give(&self.device, &self.certificate, &self.address, group, inviter, None, NOW);
        Action::Add(Box::new(consent))
    }

    fn leaf(&self, group: GroupId, relay: &RelayAddress) -> Vec<u8> {
        let address = DepositAddress::new([7; 16]);
        let head = ManifestHead { version: 1, hash: [8; 32] };
        Leaf::issue(&self.device, &self.certificate, group, (address, relay), head, 1).encoded().to_vec()
    }
}

fn founded(founder: &Member, relay: &RelayAddress) -> State {
    let description = Description { title: "Hikers".into(), about: String::new(), picture: Vec::new() };
    let epoch = Epoch { number: 1, key_commitment: OuterKey::restore(&[1; 32]).commitment(1) };
    let record = RecordPlace { id: RecordId::new([7; 32]), relay: relay.clone() };
    let Member { device, certificate, address } = founder;
    let policy = Policy::default();
    found(device, certificate, [9; 32], address, &description, policy, epoch, &record, NOW).unwrap().1
}

fn of_members(count: u16, relay: &RelayAddress) -> State {
    let founder = Member::new(0);
    let mut state = founded(&founder, relay);
    let mut next = 1;
    while next < count {
        let until = count.min(next + AT_ONCE);
        let actions =
            (next..until).map(|number| Member::new(number).consent(state.group(), &founder)).collect();
        state = Draft::new(&state, actions, NOW).sign(&founder.device, &founder.certificate).unwrap().1;
        next = until;
    }
    state
}

/// With this many members, of so many devices each.
pub(super) fn open(group: &mut Group<'_>, members: u16, devices: u8) {
    let relay: RelayAddress = "relay.example.org".parse().unwrap();
    let state = of_members(members, &relay);
    let leaves: Vec<Vec<u8>> = (0..members)
        .flat_map(|number| (0..devices).map(move |device| Member::of(number, device)))
        .map(|member| member.leaf(state.group(), &relay))
        .collect();
    let (stored, head) = (state.encode(), state.head());
    group.bench_function(OURS, |b| {
        b.iter(|| {
            let state = State::decode_stored(&stored, head).unwrap();
            let mut roster = Roster::default();
            for leaf in &leaves {
                roster.merge(Leaf::restore(leaf).unwrap());
            }
            black_box((state.hash(), roster.hash()))
        });
    });
}
