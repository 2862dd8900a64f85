//! Two devices and a network that loses, reorders, repeats and damages what they send each other.

use arbitrary::Unstructured;
use wheesht_core::protocol::{
    envelope::OpenError,
    session::{DecryptError, RespondError, choose},
};
use wheesht_proto::limits::MAX_SESSIONS;

use crate::device::{Device, Refused};

/// Acts of one run, of at most six messages each: fewer than the skipped keys that a chain keeps.
const ACTS: usize = 150;

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
    /// A session may have been pushed out by newer ones, or a message lost for good.
    crowded: bool,
}

/// Every two bytes are an act. What opens is what was sent, once; what is refused changes nothing; and once everything under
/// way has arrived, both send on one session.
pub fn two_peers(data: &[u8]) {
    let mut network = Network {
        alice: Device::new(1),
        bob: Device::new(2),
        under_way: Vec::new(),
        opened: Vec::new(),
        crowded: false,
    };
    let mut acts = Unstructured::new(data);
    for _ in 0..ACTS {
        if acts.is_empty() || network.act(&mut acts).is_err() {
            break;
        }
    }
    network.settle();
}

impl Network {
    fn act(&mut self, acts: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let act: u8 = acts.arbitrary()?;
        let detail: u8 = acts.arbitrary()?;
        let pick = (!self.under_way.is_empty()).then(|| usize::from(detail) % self.under_way.len());
        match (act % 8, pick) {
            (0, _) => (0..=detail % 6).for_each(|_| self.send(detail & 0x80 == 0)),
            (1, _) => self.begin(detail & 0x80 == 0),
            (2 | 3, Some(at)) => {
                let packet = self.under_way.remove(at);
                self.deliver(&packet);
            }
            (4, Some(at)) => {
                let packet = &self.under_way[at];
                let copy = Packet { envelope: packet.envelope.clone(), ..*packet };
                self.deliver(&copy);
            }
            (5, Some(at)) => drop(self.under_way.remove(at)),
            (6, Some(at)) => {
                let bit: u16 = acts.arbitrary()?;
                self.damage(at, usize::from(bit));
            }
            (7, Some(at)) => {
                let last = self.under_way.len() - 1;
                self.under_way.swap(at, last);
            }
            _ => {}
        }
        Ok(())
    }

    fn send(&mut self, from_alice: bool) {
        let number = u32::try_from(self.opened.len()).unwrap();
        let (sender, receiver) = self.sides(from_alice);
        let envelope = sender.send(receiver, &number.to_be_bytes());
        self.under_way.push(Packet { to_alice: !from_alice, number, envelope });
        self.opened.push(false);
        self.look_for_a_crowd();
    }

    fn begin(&mut self, alice: bool) {
        let (initiator, other) = self.sides(alice);
        initiator.begin(other);
        self.look_for_a_crowd();
    }

    fn deliver(&mut self, packet: &Packet) {
        let receiver = if packet.to_alice { &mut self.alice } else { &mut self.bob };
        match receiver.receive(&packet.envelope) {
            Ok(content) => {
                assert_eq!(content, packet.number.to_be_bytes());
                let opened = &mut self.opened[packet.number as usize];
                assert!(!std::mem::replace(opened, true), "{} was opened twice", packet.number);
            }
            Err(refused) => {
                let gone = matches!(
                    refused,
                    Refused::Decrypt(DecryptError::KeyGone)
                        | Refused::Respond(
                            RespondError::NoSetup | RespondError::PrekeyGone | RespondError::Replay
                        )
                );
                let excused = self.opened[packet.number as usize] || self.crowded;
                assert!(gone && excused, "{}: {refused:?}", packet.number);
            }
        }
        self.look_for_a_crowd();
    }

    fn damage(&mut self, at: usize, bit: usize) {
        let packet = &self.under_way[at];
        let mut envelope = packet.envelope.clone();
        let bit = bit % (envelope.len() * 8);
        envelope[bit / 8] ^= 1 << (bit % 8);
        let receiver = if packet.to_alice { &mut self.alice } else { &mut self.bob };
        let refused = receiver.receive(&envelope).expect_err("a damaged envelope");
        let expected = matches!(refused, Refused::Open(OpenError::NotAuthentic | OpenError::Unknown { .. }));
        assert!(expected, "{refused:?}");
    }

    /// Everything arrives, and each hears the other.
    fn settle(&mut self) {
        for _ in 0..3 {
            self.send(true);
            self.send(false);
            while let Some(packet) = self.under_way.pop() {
                self.deliver(&packet);
            }
        }
        let chosen =
            |one: &Device, other: &Device| choose(one.sessions_with(other)).map(|session| session.id());
        let agreed = chosen(&self.alice, &self.bob) == chosen(&self.bob, &self.alice);
        assert!(agreed || self.crowded, "two sessions of choice");
    }

    fn look_for_a_crowd(&mut self) {
        let (alice, bob) = (&self.alice, &self.bob);
        let most = alice.sessions_with(bob).len().max(bob.sessions_with(alice).len());
        self.crowded |= most == MAX_SESSIONS;
    }

    fn sides(&mut self, alice_first: bool) -> (&mut Device, &mut Device) {
        if alice_first { (&mut self.alice, &mut self.bob) } else { (&mut self.bob, &mut self.alice) }
    }
}
