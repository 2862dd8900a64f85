//! Messages to a group: encrypted once, signed, sealed under the epoch's key. vodozemac's Megolm seals nothing and shows the server
//! who sends.

use std::{convert::Infallible, hint::black_box};

use chacha20::ChaCha20Rng;
use criterion::BatchSize;
use rand_core::SeedableRng;
use vodozemac::megolm;
use wheesht_core::{
    crypto::secret::Secret,
    proto::{
        ids::{DeviceId, GroupId},
        prost::Message,
        relay,
    },
    protocol::{
        MessageKey,
        group::{
            GroupSkippedKeys, Inside, MessageContext, OuterKey, ReceiverChain, SenderChain,
            UnverifiedGroupMessage, outer,
        },
    },
};

use super::{CONTENT, Group, NOW, OURS, THEIRS, established};

const GROUP: GroupId = GroupId::new([1; 32]);

struct NoneKept;

impl GroupSkippedKeys for NoneKept {
    type Error = Infallible;

    fn get(&self, _: u32) -> Result<Option<MessageKey>, Infallible> {
        Ok(None)
    }
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(9)
}

fn context() -> MessageContext<'static> {
    MessageContext {
        group: GROUP,
        epoch: 1,
        state_version: 2,
        state_hash: [3; 32],
        roster_hash: [4; 32],
        device: DeviceId::new([5; 16]),
        additional: &[],
    }
}

/// A chain has a thousand messages: it begins again before it is used up, from its stored form, with its key at hand.
struct Speaker {
    stored: Vec<u8>,
    chain: SenderChain,
}

impl Speaker {
    fn new() -> Self {
        let chain = SenderChain::begin(None, NOW, &mut rng());
        Self { stored: chain.encode().to_vec(), chain }
    }

    fn say(&mut self) -> UnverifiedGroupMessage {
        if self.chain.count() >= 999 {
            self.chain = SenderChain::decode_with(&self.stored, &self.chain.signer()).unwrap();
        }
        self.chain.encrypt(&context(), &CONTENT).unwrap()
    }
}

/// Encrypted and signed.
pub(super) fn encrypt(group: &mut Group<'_>) {
    let mut speaker = Speaker::new();
    group.bench_function(OURS, |b| b.iter(|| black_box(speaker.say())));
    let mut session = megolm::GroupSession::new(megolm::SessionConfig::version_1());
    group.bench_function(THEIRS, |b| b.iter(|| black_box(session.encrypt(CONTENT))));
}

/// Signature checked, decrypted, the chain moved on.
pub(super) fn decrypt(group: &mut Group<'_>) {
    let mut speaker = Speaker::new();
    let given = ReceiverChain::from_key(&speaker.chain.key_now()).unwrap();
    let mut reader = given.clone();
    group.bench_function(OURS, |b| {
        b.iter_batched_ref(
            || speaker.say(),
            |message| {
                if message.count() == 0 {
                    reader = given.clone();
                }
                let opened = reader.open(message, GROUP, 1, &[], &NoneKept, NOW).unwrap();
                reader = opened.next;
                opened.content
            },
            BatchSize::SmallInput,
        );
    });
    let config = megolm::SessionConfig::version_1;
    let mut session = megolm::GroupSession::new(config());
    let mut reader = megolm::InboundGroupSession::new(&session.session_key(), config());
    group.bench_function(THEIRS, |b| {
        b.iter_batched_ref(
            || session.encrypt(CONTENT),
            |message| reader.decrypt(message).unwrap(),
            BatchSize::SmallInput,
        );
    });
}

/// From a text to the frame that goes to the relay: encrypted, signed, sealed, addressed to a thousand devices.
pub(super) fn send_to_a_thousand(group: &mut Group<'_>) {
    let (mut speaker, key, mut rng) = (Speaker::new(), OuterKey::generate(&mut rng()), rng());
    let addresses: Vec<Vec<u8>> = (0..1_000_u128).map(|n| n.to_be_bytes().to_vec()).collect();
    let mut send = || {
        let message = Inside::Message(speaker.say());
        let envelope = outer::seal(&key, &message, &mut rng).unwrap();
        relay::DepositEntry {
            envelope: envelope.into(),
            addresses: addresses.clone(),
            ..relay::DepositEntry::default()
        }
    };
    let (sent, per_device) = (send(), addresses.len());
    println!(
        "64 B to a group: {} B sealed, and {} B per device",
        sent.envelope.len(),
        (sent.encoded_len() - sent.envelope.len()) / per_device
    );
    group.bench_function(OURS, |b| b.iter(|| black_box(send())));
}

/// One of a thousand members is removed: each of the others is given the new outer key in its session, sealed under the old one.
pub(super) fn remove_one_of_a_thousand(group: &mut Group<'_>) {
    let (mut alice, _) = established();
    let (key, mut rng) = (OuterKey::generate(&mut rng()), rng());
    let (sender, recipient) = (DeviceId::new([6; 16]), DeviceId::new([7; 16]));
    group.sample_size(20);
    group.bench_function(OURS, |b| {
        b.iter(|| {
            for _ in 0..999 {
                let message = alice.encrypt();
                let inside = Inside::Pairwise { sender, recipient, message };
                black_box(outer::seal(&key, &inside, &mut rng).unwrap());
            }
        });
    });
}
