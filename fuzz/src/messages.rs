//! Bytes that claim to come from another device: envelopes, session messages, prekeys.

use std::sync::LazyLock;

use prost::Message as _;
use wheesht_core::{
    protocol::{Session, prekeys::UnverifiedBundle, session::UnverifiedSessionMessage},
    signed::UnverifiedCertificate,
};
use wheesht_proto::relay;

use crate::{
    LONGEST,
    device::{AAD, Device, NOW},
};

/// Alice has written to Bob, Bob has answered, and some of what Alice wrote after that is still under way.
pub(crate) struct World {
    pub(crate) alice: Device,
    /// Before anything has come.
    pub(crate) new_bob: Device,
    /// In the middle of the conversation.
    pub(crate) bob: Device,
    /// All that Alice has ever encrypted to Bob, and what it says.
    pub(crate) said: Vec<(Vec<u8>, Vec<u8>)>,
    /// The last of it, sealed.
    pub(crate) envelope: Vec<u8>,
}

pub(crate) static WORLD: LazyLock<World> = LazyLock::new(|| {
    let (mut alice, mut bob) = (Device::new(1), Device::new(2));
    let mut handed_out = bob.clone();
    let mut said = Vec::new();
    let mut say = |alice: &mut Device, bob: &mut Device, text: &str| {
        let message = alice.encrypt(bob, text.as_bytes());
        said.push((message.clone(), text.as_bytes().to_vec()));
        UnverifiedSessionMessage::decode(&message).unwrap()
    };
    let first = say(&mut alice, &mut handed_out, "the first message");
    say(&mut alice, &mut bob, "overtaken at the beginning");
    let third = say(&mut alice, &mut bob, "the third");
    let new_bob = bob.clone();
    bob.accept(&alice.certificate.clone(), &third).unwrap();
    bob.accept(&alice.certificate.clone(), &first).unwrap();
    let answer = UnverifiedSessionMessage::decode(&bob.encrypt(&mut alice, b"an answer")).unwrap();
    alice.accept(&bob.certificate, &answer).unwrap();
    say(&mut alice, &mut bob, "overtaken after a step");
    let last = say(&mut alice, &mut bob, "after a step");
    bob.accept(&alice.certificate.clone(), &last).unwrap();
    say(&mut alice, &mut bob, "still under way");
    let own = alice.certificate.clone();
    let envelope = alice.seal(&bob.certificate, &own, &said[said.len() - 1].0);
    World { alice, new_bob, bob, said, envelope }
});

impl World {
    /// Whatever opened is what Alice said.
    fn assert_said(&self, content: &[u8]) {
        assert!(self.said.iter().any(|(_, said)| said == content), "forged: {content:02x?}");
    }
}

/// The first byte says where the rest stands: an envelope; the session message in a sealed one; the certificate in a sealed one.
pub fn envelope(data: &[u8]) {
    let Some((place, bytes)) = data.split_first() else { return };
    if bytes.len() > LONGEST {
        return;
    }
    let world = &*WORLD;
    let (mut alice, mut bob) = (world.alice.clone(), world.bob.clone());
    let own = alice.certificate.clone();
    let envelope = match place % 3 {
        0 => bytes.to_vec(),
        1 => alice.seal(&bob.certificate, &own, bytes),
        _ => match UnverifiedCertificate::decode(bytes) {
            Ok(certificate) => {
                let message = &world.said[world.said.len() - 1].0;
                alice.seal(&bob.certificate, &certificate.assume_verified(), message)
            }
            Err(_) => return,
        },
    };
    // `receive` checks that a refusal changes nothing.
    if let Ok(content) = bob.receive(&envelope) {
        world.assert_said(&content);
        bob.receive(&envelope).expect_err("an envelope opens once");
    }
}

/// A session message of Alice's device, to a Bob who knows the session and to one who doesn't yet.
pub fn ratchet_message(data: &[u8]) {
    if data.len() > LONGEST {
        return;
    }
    let Ok(message) = UnverifiedSessionMessage::decode(data) else { return };
    let world = &*WORLD;
    for bob in [&world.bob, &world.new_bob] {
        let mut receiver = bob.clone();
        match receiver.accept(&world.alice.certificate, &message) {
            Ok(content) => {
                world.assert_said(&content);
                receiver.accept(&world.alice.certificate, &message).expect_err("a message opens once");
            }
            Err(refused) => assert_eq!(receiver.state(), bob.state(), "{refused:?} has changed something"),
        }
    }
    // Nobody else's session opens it, whatever it says.
    let mut mallory = world.bob.clone();
    mallory.accept(&world.new_bob.certificate, &message).expect_err("from the wrong device");
}

/// Bob's prekeys as a relay may hand them out: only what Bob has signed verifies, and what verifies can be used.
pub fn bundle(data: &[u8]) {
    if data.len() > LONGEST {
        return;
    }
    let Ok(raw) = relay::Bundle::decode(data) else { return };
    let Ok(unverified) = UnverifiedBundle::decode(&raw) else { return };
    let world = &*WORLD;
    let Ok(bundle) = unverified.verify(&world.bob.certificate, NOW) else { return };
    let published: Vec<_> = Device::new(2).published.into_values().flatten().collect();
    let one_time = Some(&raw.one_time).filter(|one_time| !one_time.is_empty());
    for prekey in [&raw.signed_prekey, &raw.kem].into_iter().chain(one_time) {
        assert!(published.contains(prekey), "Bob never signed {prekey:02x?}");
    }
    let mut rng = <chacha20::ChaCha20Rng as rand_core::SeedableRng>::seed_from_u64(3);
    let local = world.alice.local();
    let mut session = Session::initiate(&local, &world.bob.certificate, &bundle, 9, NOW, &mut rng)
        .expect("a verified bundle sets up a session");
    let message = session.encrypt(b"hello", AAD, NOW, &mut rng).unwrap();
    let message = UnverifiedSessionMessage::decode(&message).unwrap();
    let content = Device::new(2).accept(&world.alice.certificate, &message);
    assert_eq!(content.expect("a session set up from a verified bundle"), b"hello");
}
