//! Two devices under a network that loses, reorders, repeats and damages: what opens is what was sent, once, and what is refused
//! changes nothing.

use proptest::prelude::*;

use super::world::{Device, Refused};
use crate::protocol::{
    envelope::OpenError,
    session::{DecryptError, RespondError, choose},
};

#[derive(Debug, Clone)]
enum Act {
    /// One of the two sends this many messages.
    Send {
        alice: bool,
        messages: u8,
    },
    /// The network delivers one of those under way.
    Deliver {
        pick: prop::sample::Index,
    },
    /// … and keeps a copy.
    Repeat {
        pick: prop::sample::Index,
    },
    Lose {
        pick: prop::sample::Index,
    },
    /// It damages one bit of a copy and delivers that.
    Damage {
        pick: prop::sample::Index,
        bit: prop::sample::Index,
    },
    /// One begins another session, whatever there is.
    Begin {
        alice: bool,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let pick = any::<prop::sample::Index>;
    prop_oneof![
        4 => (any::<bool>(), 1..6_u8).prop_map(|(alice, messages)| Act::Send { alice, messages }),
        6 => pick().prop_map(|pick| Act::Deliver { pick }),
        2 => pick().prop_map(|pick| Act::Repeat { pick }),
        1 => pick().prop_map(|pick| Act::Lose { pick }),
        2 => (pick(), pick()).prop_map(|(pick, bit)| Act::Damage { pick, bit }),
        1 => any::<bool>().prop_map(|alice| Act::Begin { alice }),
    ]
}

struct Packet {
    to_alice: bool,
    number: u32,
    envelope: Vec<u8>,
}

struct Network {
    alice: Device,
    bob: Device,
    under_way: Vec<Packet>,
    opened: Vec<bool>,
}

impl Network {
    fn new(seed: u64) -> Self {
        let (alice, bob) = (Device::new(seed), Device::new(!seed));
        Self { alice, bob, under_way: Vec::new(), opened: Vec::new() }
    }

    fn send(&mut self, from_alice: bool) {
        let number = u32::try_from(self.opened.len()).unwrap();
        let (sender, receiver) =
            if from_alice { (&mut self.alice, &mut self.bob) } else { (&mut self.bob, &mut self.alice) };
        let envelope = sender.send(receiver, &number.to_be_bytes());
        self.under_way.push(Packet { to_alice: !from_alice, number, envelope });
        self.opened.push(false);
    }

    fn deliver(&mut self, packet: &Packet) {
        let receiver = if packet.to_alice { &mut self.alice } else { &mut self.bob };
        let before = receiver.state();
        match receiver.receive(&packet.envelope) {
            Ok(content) => {
                assert_eq!(content.as_slice(), packet.number.to_be_bytes());
                let opened = &mut self.opened[packet.number as usize];
                // RAT-5
                assert!(!std::mem::replace(opened, true), "{} was opened twice", packet.number);
            }
            Err(refused) => {
                // RAT-12
                assert_eq!(receiver.state(), before);
                let gone = matches!(
                    refused,
                    Refused::Decrypt(DecryptError::KeyGone)
                        // Its session was pushed out by five newer ones.
                        | Refused::Respond(RespondError::NoSetup | RespondError::PrekeyGone | RespondError::Replay)
                );
                assert!(gone, "{refused:?}");
                let crowded = self.alice.sessions_with(&self.bob).len() == 5
                    || self.bob.sessions_with(&self.alice).len() == 5;
                assert!(self.opened[packet.number as usize] || crowded, "{refused:?}");
            }
        }
    }

    fn act(&mut self, act: &Act) {
        let packet = |pick: &prop::sample::Index| {
            (!self.under_way.is_empty()).then(|| pick.index(self.under_way.len()))
        };
        match act {
            Act::Send { alice, messages } => (0..*messages).for_each(|_| self.send(*alice)),
            Act::Deliver { pick } => {
                if let Some(at) = packet(pick) {
                    let packet = self.under_way.swap_remove(at);
                    self.deliver(&packet);
                }
            }
            Act::Repeat { pick } => {
                if let Some(at) = packet(pick) {
                    let packet = &self.under_way[at];
                    let copy = Packet { envelope: packet.envelope.clone(), ..*packet };
                    self.deliver(&copy);
                }
            }
            Act::Lose { pick } => {
                if let Some(at) = packet(pick) {
                    self.under_way.swap_remove(at);
                }
            }
            Act::Damage { pick, bit } => {
                if let Some(at) = packet(pick) {
                    let packet = &self.under_way[at];
                    let mut envelope = packet.envelope.clone();
                    let bit = bit.index(envelope.len() * 8);
                    envelope[bit / 8] ^= 1 << (bit % 8);
                    let receiver = if packet.to_alice { &mut self.alice } else { &mut self.bob };
                    let before = receiver.state();
                    let refused = receiver.receive(&envelope).unwrap_err();
                    // ENV-6
                    assert!(matches!(
                        refused,
                        Refused::Open(OpenError::NotAuthentic | OpenError::Unknown { .. })
                    ));
                    assert_eq!(receiver.state(), before);
                }
            }
            Act::Begin { alice: true } => drop(self.alice.begin(&mut self.bob)),
            Act::Begin { alice: false } => drop(self.bob.begin(&mut self.alice)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn rat_5_rat_12_env_6_what_opens_was_sent_and_opens_once(seed: u64, acts in prop::collection::vec(act(), 1..60)) {
        let mut network = Network::new(seed);
        acts.iter().for_each(|act| network.act(act));
    }

    /// After any confusion, once nothing is under way and each has heard the other, both send on one session.
    #[test]
    fn ses_13_both_sides_converge(seed: u64, acts in prop::collection::vec(act(), 1..40)) {
        let mut network = Network::new(seed);
        let begun = |act: &&Act| !matches!(act, Act::Damage { .. } | Act::Lose { .. });
        acts.iter().filter(begun).for_each(|act| network.act(act));
        for _ in 0..3 {
            network.send(true);
            network.send(false);
            while let Some(packet) = network.under_way.pop() {
                network.deliver(&packet);
            }
        }
        let (alice, bob) = (&network.alice, &network.bob);
        let chosen = (choose(alice.sessions_with(bob)).unwrap(), choose(bob.sessions_with(alice)).unwrap());
        prop_assert_eq!(chosen.0.id(), chosen.1.id());
        prop_assert!(chosen.0.is_answered() && chosen.1.is_answered());
    }
}
