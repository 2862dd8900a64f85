//! Bytes that claim to come from a group: envelopes, what lies inside them, chains as given and as stored; and a network that loses,
//! repeats, reorders and damages what a member says.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::LazyLock,
};

use chacha20::ChaCha20Rng;
use prost::Message as _;
use rand_core::SeedableRng;
use wheesht_core::{
    crypto::secret::Secret,
    protocol::{
        MessageKey,
        group::{
            GroupSkippedKeys, Inside, MessageContext, OuterKey, ReceiverChain, RefusedMessage, SenderChain,
            UnverifiedGroupMessage, outer,
        },
    },
    time::Timestamp,
};
use wheesht_proto::{
    group as wire,
    ids::{DeviceId, GroupId},
};

use crate::LONGEST;

const NOW: Timestamp = Timestamp::from_millis(1_764_000_000_000);
const GROUP: GroupId = GroupId::new([7; 32]);
const EPOCH: u64 = 3;

/// A member has spoken; some of it is under way still.
pub(crate) struct Talk {
    key: OuterKey,
    /// The chain as it was given before anything was said.
    pub(crate) given: wire::ChainKey,
    /// What was said, in order, and the envelope of each.
    pub(crate) said: Vec<(Vec<u8>, Vec<u8>)>,
    /// Between two of the group's devices.
    pub(crate) pairwise: Vec<u8>,
    pub(crate) stored: [Vec<u8>; 2],
}

pub(crate) static TALK: LazyLock<Talk> = LazyLock::new(|| {
    let mut rng = ChaCha20Rng::seed_from_u64(11);
    let key = OuterKey::generate(&mut rng);
    let mut before = SenderChain::begin(None, NOW, &mut rng);
    before.encrypt(&context(), b"in the chain before").unwrap();
    let mut chain = SenderChain::begin(Some(&before), NOW, &mut rng);
    let given = chain.key_now();
    let mut say = |text: &str| {
        let message = chain.encrypt(&context(), text.as_bytes()).unwrap();
        let envelope = outer::seal(&key, &Inside::Message(message), &mut rng).unwrap();
        (text.as_bytes().to_vec(), envelope)
    };
    let said = ["first", "second", "third", "fourth"].map(&mut say).to_vec();
    let (sender, recipient) = (DeviceId::new([1; 16]), DeviceId::new([2; 16]));
    let between = Inside::Pairwise { sender, recipient, message: vec![3; 40] };
    let pairwise = outer::seal(&key, &between, &mut rng).unwrap();
    let received = ReceiverChain::from_key(&given).unwrap().end(9, NOW);
    let stored = [received.encode().to_vec(), chain.encode().to_vec()];
    Talk { key, given, said, pairwise, stored }
});

fn context() -> MessageContext<'static> {
    MessageContext {
        group: GROUP,
        epoch: EPOCH,
        state_version: 5,
        state_hash: [8; 32],
        roster_hash: [9; 32],
        device: DeviceId::new([1; 16]),
        additional: &[],
    }
}

#[derive(Clone, Default)]
struct Kept(BTreeMap<u32, MessageKey>);

impl GroupSkippedKeys for Kept {
    type Error = Infallible;

    fn get(&self, count: u32) -> Result<Option<MessageKey>, Infallible> {
        Ok(self.0.get(&count).cloned())
    }
}

#[derive(Clone)]
struct Reader {
    chain: ReceiverChain,
    kept: Kept,
}

impl Reader {
    fn new() -> Self {
        Self { chain: ReceiverChain::from_key(&TALK.given).unwrap(), kept: Kept::default() }
    }

    fn open(&mut self, message: &UnverifiedGroupMessage) -> Result<Vec<u8>, RefusedMessage<Infallible>> {
        let opened = self.chain.open(message, GROUP, EPOCH, &[], &self.kept, NOW)?;
        // Through the stored form, as a client does.
        self.chain = ReceiverChain::decode(&opened.next.encode()).unwrap();
        for (count, _) in &opened.skipped.insert {
            assert!(!self.kept.0.contains_key(count), "a key is kept twice");
        }
        self.kept.0.extend(opened.skipped.insert);
        if let Some(used) = opened.skipped.used {
            self.kept.0.remove(&used).expect("a used key was kept");
        }
        assert!(self.kept.0.len() < 1_000);
        Ok(opened.content.to_vec())
    }
}

/// The first byte says where the rest stands: an envelope; what is inside a sealed one; a chain as given; one as stored, of others
/// or one's own.
pub fn group_envelope(data: &[u8]) {
    let Some((place, bytes)) = data.split_first() else { return };
    if bytes.len() > LONGEST {
        return;
    }
    let talk = &*TALK;
    match place % 4 {
        0 => envelope(bytes),
        1 => {
            // Any member can seal anything.
            if let Ok(inside) = Inside::decode(bytes)
                && let Ok(sealed) = outer::seal(&talk.key, &inside, &mut ChaCha20Rng::seed_from_u64(5))
            {
                envelope(&sealed);
            }
        }
        2 => {
            if let Ok(given) = wire::ChainKey::decode(bytes)
                && let Ok(chain) = ReceiverChain::from_key(&given)
            {
                assert_eq!(ReceiverChain::decode(&chain.encode()).unwrap().encode(), chain.encode());
                for (_, sealed) in &talk.said {
                    let Ok(Inside::Message(message)) = outer::open(&talk.key, sealed) else { unreachable!() };
                    if let Ok(opened) = chain.open(&message, GROUP, EPOCH, &[], &Kept::default(), NOW) {
                        assert!(talk.said.iter().any(|(text, _)| *text == *opened.content));
                    }
                }
            }
        }
        _ => {
            // What an older version stored is written as this one does.
            if let Ok(chain) = ReceiverChain::decode(bytes) {
                let written = chain.encode();
                assert_eq!(ReceiverChain::decode(&written).unwrap().encode(), written);
            }
            if let Ok(mut chain) = SenderChain::decode(bytes) {
                assert_eq!(chain.encode().as_slice(), bytes);
                if let Ok(message) = chain.encrypt(&context(), b"hush") {
                    assert_eq!(message.chain(), chain.id());
                }
            }
        }
    }
}

/// An envelope, to a reader who has missed something and to one who has not.
fn envelope(bytes: &[u8]) {
    let talk = &*TALK;
    let known = outer::belongs(&talk.key, bytes);
    let Ok(inside) = outer::open(&talk.key, bytes) else { return };
    assert!(known, "what opens is known by its tag");
    let Inside::Message(message) = inside else { return };
    let mut late = Reader::new();
    let Ok(Inside::Message(last)) = outer::open(&talk.key, &talk.said[3].1) else { unreachable!() };
    assert_eq!(late.open(&last).expect("genuine"), talk.said[3].0);
    for mut reader in [Reader::new(), late] {
        let before = reader.chain.encode();
        match reader.open(&message) {
            Ok(content) => {
                assert!(talk.said.iter().any(|(text, _)| *text == content), "forged: {content:02x?}");
                reader.open(&message).expect_err("a message opens once");
            }
            Err(_) => assert_eq!(reader.chain.encode(), before),
        }
        let elsewhere = GroupId::new([6; 32]);
        assert!(reader.chain.open(&message, elsewhere, EPOCH, &[], &reader.kept, NOW).is_err());
        assert!(reader.chain.open(&message, GROUP, EPOCH + 1, &[], &reader.kept, NOW).is_err());
    }
}

/// What is inside the envelopes: the message said last, and the one between two devices.
pub(crate) fn inside() -> [Vec<u8>; 2] {
    let talk = &*TALK;
    [&talk.said[3].1, &talk.pairwise].map(|envelope| outer::open(&talk.key, envelope).unwrap().encode())
}

/// Each byte is an act of the network: it delivers one of the messages, or a damaged one.
pub fn group_network(data: &[u8]) {
    let talk = &*TALK;
    let mut reader = Reader::new();
    let mut seen = BTreeSet::new();
    for act in data.iter().take(256) {
        let which = usize::from(act & 3);
        let (text, envelope) = &talk.said[which];
        if act & 4 == 0 {
            let Ok(Inside::Message(message)) = outer::open(&talk.key, envelope) else { unreachable!() };
            match reader.open(&message) {
                Ok(content) => {
                    assert_eq!(&content, text);
                    assert!(seen.insert(which), "a message opened twice");
                }
                Err(refused) => {
                    assert_eq!(refused, RefusedMessage::KeyGone);
                    assert!(seen.contains(&which), "a message was lost");
                }
            }
        } else {
            let mut damaged = envelope.clone();
            let at = usize::from(act >> 3) * damaged.len() / 32;
            damaged[at] ^= 1;
            assert!(outer::open(&talk.key, &damaged).is_err());
        }
    }
}
