//! Bytes that nobody made: whatever they are, they are refused with an error.

use proptest::prelude::*;

use super::world::{Device, NOW};
use crate::{
    proto::relay,
    protocol::{
        Session, envelope,
        prekeys::{PrivatePrekey, UnverifiedBundle},
        session::UnverifiedSessionMessage,
    },
};

/// Noise, or one of these with a piece replaced, removed or put in.
fn mutated(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let noise = prop::collection::vec(any::<u8>(), 0..300);
    let piece = prop::collection::vec(any::<u8>(), 0..40);
    let cut = (prop::sample::select(seeds), any::<prop::sample::Index>(), 0..40_usize, piece).prop_map(
        |(mut bytes, at, length, piece)| {
            let at = at.index(bytes.len());
            let end = bytes.len().min(at + length);
            bytes.splice(at..end, piece);
            bytes
        },
    );
    prop_oneof![1 => noise, 4 => cut]
}

fn samples() -> (Device, Vec<Vec<u8>>) {
    let (mut alice, mut bob) = (Device::new(1), Device::new(2));
    let envelopes = [alice.send(&mut bob, b"hush"), alice.send(&mut bob, b"hush")];
    let message = alice.encrypt(&mut bob, b"hush");
    bob.receive(&envelopes[1]).unwrap();
    let bundle = bob.raw_bundle();
    let seeds = [
        envelopes.to_vec(),
        vec![message, bundle.signed_prekey, bundle.kem],
        vec![alice.sessions_with(&bob)[0].encode().to_vec(), bob.sessions_with(&alice)[0].encode().to_vec()],
        vec![bob.prekeys[&1].encode().to_vec(), bob.prekeys[&2].encode().to_vec()],
    ]
    .concat();
    (bob, seeds)
}

#[test]
fn any_bytes_are_taken_without_a_panic() {
    let (bob, seeds) = samples();
    let mut runner =
        proptest::test_runner::TestRunner::new(ProptestConfig { cases: 1_000, ..Default::default() });
    let run = runner.run(&mutated(seeds.clone()), |bytes| {
        if !seeds.contains(&bytes) {
            prop_assert!(envelope::open(&bob.local(), &bytes).is_err());
        }
        let _ =
            UnverifiedSessionMessage::decode(&bytes).map(|message| (message.session_id(), message.place()));
        let _ = Session::decode(&bytes).map(|session| (session.encode(), session.is_stale(NOW)));
        let _ = PrivatePrekey::decode(&bytes).map(|row| row.public_key());
        let bundle = relay::Bundle { signed_prekey: bytes.clone(), one_time: bytes.clone(), kem: bytes };
        let _ = UnverifiedBundle::decode(&bundle).map(|bundle| bundle.verify(&bob.certificate, NOW));
        Ok(())
    });
    run.unwrap();
}
