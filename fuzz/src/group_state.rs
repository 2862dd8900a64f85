//! Bytes that claim to be a group's change, state or checkpoint: decoded, verified, applied. Only what the members really signed gets
//! that far.

use std::sync::LazyLock;

use prost::Message as _;
use wheesht_core::{
    crypto::secret::Secret as _,
    protocol::group::{
        Action, Change, Checkpoint, Description, Draft, Epoch, OuterKey, Policy, RecordPlace, State,
        UnverifiedChange, found,
    },
    signed::{DeviceCertificate, DeviceSigningKey, IdentityKey},
    time::Timestamp,
};
use wheesht_proto::{group as wire, ids::RecordId};

use crate::LONGEST;

const NOW: Timestamp = Timestamp::from_millis(1_764_000_000_000);

/// A group of one, and what its founder did.
struct Founded {
    states: Vec<State>,
    changes: Vec<Change>,
}

static FOUNDED: LazyLock<Founded> = LazyLock::new(|| {
    let identity = IdentityKey::from_secret_bytes(&[1; 32]);
    let device = DeviceSigningKey::from_secret_bytes(&[2; 32]);
    let certificate = DeviceCertificate::issue(&identity, &device.verifying_key(), [3; 32], NOW);
    let description = Description { title: "Hikers".into(), about: String::new(), picture: Vec::new() };
    let commitment = |number| OuterKey::restore(&[4; 32]).commitment(number);
    let epoch = Epoch { number: 1, key_commitment: commitment(1) };
    let record =
        RecordPlace { id: RecordId::new([5; 32]), relay: "relay.example.org".parse().expect("a relay") };
    let address = "alice@relay.example.org".parse().expect("an address");
    let policy = Policy::default();
    let founded = found(&device, &certificate, [6; 32], &address, &description, policy, epoch, &record, NOW);
    let (first, state) = founded.expect("it is well");
    let (mut states, mut changes) = (vec![state], vec![first]);
    let rename = Action::Describe { title: Some("Climbers".into()), about: None, picture: None };
    let renew = Action::NewEpoch(Epoch { number: 2, key_commitment: commitment(2) });
    for action in [rename, renew] {
        let state = states.last().expect("the first");
        let (change, next) =
            Draft::new(state, vec![action], NOW).sign(&device, &certificate).expect("permitted");
        states.push(next);
        changes.push(change);
    }
    Founded { states, changes }
});

/// The first byte says what the others claim to be.
pub fn group_state(data: &[u8]) {
    let Some((what, bytes)) = data.split_first().filter(|_| data.len() <= LONGEST) else { return };
    let known = &*FOUNDED;
    match what {
        0 => {
            let Ok(change) = UnverifiedChange::decode(bytes).and_then(UnverifiedChange::verify) else {
                return;
            };
            assert!(known.changes.contains(&change), "nobody signed this");
            for state in &known.states {
                if let Ok(next) = state.apply(&change) {
                    assert!(known.states.contains(&next));
                }
            }
        }
        1 => {
            if let Ok(state) = State::decode_stored(bytes, [0; 32]) {
                assert_eq!(state.encode(), bytes);
                for change in &known.changes {
                    let _ = state.apply(change);
                }
            }
        }
        _ => {
            let Ok(checkpoint) = wire::Checkpoint::decode(bytes) else { return };
            let group = known.states[0].group();
            if let Ok(checkpoint) = Checkpoint::verify(&checkpoint, &group) {
                assert!(known.states.contains(checkpoint.state()), "nobody signed this");
            }
        }
    }
}

pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let known = &*FOUNDED;
    let named = |what: u8, name: &str, number: usize, bytes: &[u8]| {
        (format!("{name}-{number}"), [&[what], bytes].concat())
    };
    let changes = known.changes.iter().enumerate();
    let changes = changes.map(|(number, change)| named(0, "change", number, change.encoded()));
    let states = known.states.iter().enumerate();
    let states = states.map(|(number, state)| named(1, "state", number, &state.encode()));
    let checkpoints = known.states.iter().zip(&known.changes).enumerate().map(|(number, (state, head))| {
        let before = known.changes.iter().take(number).map(|change| change.encoded().to_vec()).collect();
        let checkpoint = Checkpoint::new(state.clone(), head.clone(), before);
        named(2, "checkpoint", number, &checkpoint.encode(LONGEST))
    });
    changes.chain(states).chain(checkpoints).collect()
}
