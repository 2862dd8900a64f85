//! The rules of group messages, each broken once. `proto/spec/group-messages.md`.

use std::{collections::BTreeMap, convert::Infallible};

use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use proptest::prelude::*;

use super::{outer::OpenError, *};
use crate::{
    crypto::{aead, secret::Secret},
    proto::{
        group as wire,
        ids::{ChainId, DeviceId, GroupId},
        limits::{MAX_CHAIN_MESSAGES, MAX_CONTENT, SENDER_CHAIN_LIFETIME_MS},
    },
    protocol::{InvalidStored, MessageKey},
    time::Timestamp,
};

const NOW: Timestamp = Timestamp::from_millis(1_764_000_000_000);
const GROUP: GroupId = GroupId::new([7; 32]);
const DEVICE: DeviceId = DeviceId::new([3; 16]);

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(1)
}

fn context() -> MessageContext<'static> {
    MessageContext {
        group: GROUP,
        epoch: 2,
        state_version: 5,
        state_hash: [8; 32],
        roster_hash: [9; 32],
        device: DEVICE,
        additional: b"more",
    }
}

#[derive(Default)]
struct Kept(BTreeMap<u32, MessageKey>);

impl GroupSkippedKeys for Kept {
    type Error = Infallible;

    fn get(&self, count: u32) -> Result<Option<MessageKey>, Infallible> {
        Ok(self.0.get(&count).cloned())
    }
}

/// A receiver that stores what an opening returns.
struct Reader {
    chain: ReceiverChain,
    kept: Kept,
}

impl Reader {
    fn of(chain: &SenderChain) -> Self {
        Self { chain: ReceiverChain::from_key(&chain.key_now()).unwrap(), kept: Kept::default() }
    }

    fn try_open(
        &self,
        message: &UnverifiedGroupMessage,
    ) -> Result<OpenedGroupMessage, RefusedMessage<Infallible>> {
        self.chain.open(message, GROUP, 2, b"more", &self.kept, NOW)
    }

    fn open(&mut self, message: &UnverifiedGroupMessage) -> Result<Vec<u8>, RefusedMessage<Infallible>> {
        let opened = self.try_open(message)?;
        self.chain = ReceiverChain::decode(&opened.next.encode()).unwrap();
        self.kept.0.extend(opened.skipped.insert);
        if let Some(used) = opened.skipped.used {
            self.kept.0.remove(&used).unwrap();
        }
        Ok(opened.content.to_vec())
    }
}

fn said(chain: &mut SenderChain, text: &[u8]) -> UnverifiedGroupMessage {
    chain.encrypt(&context(), text).unwrap()
}

fn begun() -> SenderChain {
    SenderChain::begin(None, NOW, &mut rng())
}

#[test]
fn grm_1_an_envelope_says_its_form_and_has_a_bound() {
    let key = OuterKey::generate(&mut rng());
    let inside = |length| Inside::Pairwise { sender: DEVICE, recipient: DEVICE, message: vec![1; length] };
    let sealed = outer::seal(&key, &inside(10), &mut rng()).unwrap();
    assert!(outer::is_group_envelope(&sealed));
    for at in [0, 1] {
        let mut other = sealed.clone();
        other[at] ^= 3;
        assert_eq!(outer::open(&key, &other).err(), Some(OpenError::Malformed));
        assert!(!outer::belongs(&key, &other));
    }
    assert_eq!(outer::seal(&key, &inside(256 * 1024), &mut rng()).err(), Some(outer::TooLarge));
    assert_eq!(outer::open(&key, &vec![2; 256 * 1024 + 1]).err(), Some(OpenError::Malformed));
    for length in 0..sealed.len() {
        assert!(outer::open(&key, &sealed[..length]).is_err());
    }
}

#[test]
fn grm_2_grm_3_the_tag_tells_the_epoch_and_only_its_key_opens() {
    let mut rng = rng();
    let (key, other) = (OuterKey::generate(&mut rng), OuterKey::generate(&mut rng));
    let inside = Inside::Pairwise { sender: DEVICE, recipient: DEVICE, message: vec![1; 50] };
    let (one, two) =
        (outer::seal(&key, &inside, &mut rng).unwrap(), outer::seal(&key, &inside, &mut rng).unwrap());
    assert!(outer::belongs(&key, &one) && !outer::belongs(&other, &one));
    assert_ne!(one[2..26], two[2..26], "each envelope has a nonce of its own");
    assert_eq!(outer::open(&other, &one).err(), Some(OpenError::NotAuthentic));
    for bit in 16..one.len() * 8 {
        let mut changed = one.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(outer::open(&key, &changed).err(), Some(OpenError::NotAuthentic));
    }
    let mut spliced = one[..58].to_vec();
    spliced.extend_from_slice(&two[58..]);
    assert_eq!(outer::open(&key, &spliced).err(), Some(OpenError::NotAuthentic));
    assert_ne!(key.commitment(1), key.commitment(2));
    assert_ne!(key.commitment(1), other.commitment(1));
}

#[test]
fn grm_4_what_is_inside_has_its_form() {
    let key = OuterKey::generate(&mut rng());
    let message = said(&mut begun(), b"hush");
    let sealed = outer::seal(&key, &Inside::Message(message.clone()), &mut rng()).unwrap();
    let Ok(Inside::Message(opened)) = outer::open(&key, &sealed) else { panic!("no message") };
    assert_eq!(opened, message);
    let genuine = message.to_wire();
    let changes: [fn(&mut wire::GroupMessage); 7] = [
        |wire| wire.device_id.truncate(15),
        |wire| wire.chain_id.push(0),
        |wire| wire.state_hash.clear(),
        |wire| wire.roster_hash.truncate(8),
        |wire| wire.old_chain_count = 1,
        |wire| wire.synthetic.push(1),
        |wire| wire.signature.clear(),
    ];
    for change in changes {
        let mut wire = genuine.clone();
        change(&mut wire);
        assert_eq!(UnverifiedGroupMessage::from_wire(wire).err(), Some(MalformedGroupMessage));
    }
}

#[test]
fn grm_5_two_texts_at_one_place_of_a_chain_repeat_no_keystream() {
    let stored = begun().encode();
    let (mut one, mut two) = (SenderChain::decode(&stored).unwrap(), SenderChain::decode(&stored).unwrap());
    let (a, b) = (said(&mut one, &[b'a'; 64]), said(&mut two, &[b'b'; 64]));
    assert_ne!(a.synthetic, b.synthetic);
    let repeated = (0..64).filter(|i| a.ciphertext[*i] ^ b.ciphertext[*i] == b'a' ^ b'b').count();
    assert!(repeated < 8, "{repeated} of 64 bytes share their keystream");
}

#[test]
fn grm_6_grm_7_a_message_holds_in_its_place_only() {
    let mut sender = begun();
    let reader = Reader::of(&sender);
    let message = said(&mut sender, b"hush");
    assert!(reader.try_open(&message).is_ok());
    let refused = |result: Result<OpenedGroupMessage, _>| {
        assert_eq!(result.err(), Some(RefusedMessage::<Infallible>::NotAuthentic));
    };
    let open = |group, epoch, additional: &[u8]| {
        reader.chain.open(&message, group, epoch, additional, &reader.kept, NOW)
    };
    refused(open(GroupId::new([6; 32]), 2, b"more"));
    refused(open(GROUP, 3, b"more"));
    refused(open(GROUP, 2, b"less"));
    let changes: [fn(&mut UnverifiedGroupMessage); 10] = [
        |message| message.device = DeviceId::new([4; 16]),
        |message| message.chain = ChainId::new([4; 16]),
        |message| message.count = 1,
        |message| message.state_version = 6,
        |message| message.state_hash = [1; 32],
        |message| message.roster_hash = [1; 32],
        |message| message.before = Some((ChainId::new([1; 16]), 3)),
        |message| message.synthetic[0] ^= 1,
        |message| message.ciphertext[0] ^= 1,
        |message| message.ciphertext.truncate(10),
    ];
    for change in changes {
        let mut message = message.clone();
        change(&mut message);
        refused(reader.try_open(&message));
    }
}

#[test]
fn grm_7_a_member_who_holds_the_chain_cannot_write_in_it() {
    let mut sender = begun();
    let reader = Reader::of(&sender);
    let given = sender.key_now();
    // All that a member was given, and its own signing key.
    let mut forger = SenderChain::begin(None, NOW, &mut ChaCha20Rng::seed_from_u64(2));
    let mut forged = said(&mut forger, b"forged");
    (forged.chain, forged.count) = (sender.id(), given.count);
    assert_eq!(reader.try_open(&forged).err(), Some(RefusedMessage::NotAuthentic));
    assert!(reader.try_open(&said(&mut sender, b"genuine")).is_ok());
}

#[test]
fn grm_8_s_is_checked_again() {
    // Its own sender may sign a ciphertext that opens, with an `s` that is not that of the text.
    let mut sender = begun();
    let reader = Reader::of(&sender);
    let (_, key) = sender.key.step();
    let mut message = said(&mut sender, b"hush");
    message.synthetic = [5; 32];
    let aad = super::message::additional_data(&context(), message.chain, 0, None);
    let prf = crate::crypto::kdf::Prf::new(&key);
    let wrong: aead::AeadKey = prf.derive("wheesht/1 message key", &[&message.synthetic]);
    message.ciphertext = aead::seal(&wrong, &[0; 12], &aad, &crate::protocol::padding::pad(b"hush"));
    message.signature =
        super::message::sign(&sender.signer.key, &aad, &message.synthetic, &message.ciphertext);
    assert_eq!(reader.try_open(&message).err(), Some(RefusedMessage::NotAuthentic));
}

#[test]
fn grm_9_a_chain_has_a_thousand_messages_and_each_key_opens_one() {
    let mut sender = begun();
    let mut reader = Reader::of(&sender);
    let messages: Vec<_> = (0..MAX_CHAIN_MESSAGES).map(|n| said(&mut sender, &n.to_be_bytes())).collect();
    assert_eq!(sender.encrypt(&context(), b"one more").err(), Some(CantEncrypt::UsedUp));
    // The longest jump that there is.
    assert_eq!(reader.open(&messages[999]).unwrap(), 999_u32.to_be_bytes());
    assert_eq!(reader.kept.0.len(), 999);
    for n in [0, 500, 998] {
        assert!(reader.open(&messages[n]).is_ok());
        assert_eq!(
            reader.open(&messages[n]).err(),
            Some(RefusedMessage::KeyGone),
            "grm_10: no message twice"
        );
    }
    assert_eq!(reader.open(&messages[999]).err(), Some(RefusedMessage::KeyGone));
    let mut beyond = messages[999].clone();
    beyond.count = MAX_CHAIN_MESSAGES;
    assert_eq!(reader.try_open(&beyond).err(), Some(RefusedMessage::TooFarAhead));
}

#[test]
fn grm_11_a_chain_wears_out_by_count_and_age() {
    let mut chain = begun();
    let week = NOW.plus_millis(SENDER_CHAIN_LIFETIME_MS);
    assert!(!chain.is_worn(NOW) && chain.is_worn(week));
    for _ in 0..MAX_CHAIN_MESSAGES {
        said(&mut chain, b"x");
    }
    assert!(chain.is_worn(NOW));
    assert_eq!(begun().encrypt(&context(), &vec![0; MAX_CONTENT + 1]).err(), Some(CantEncrypt::TooLarge));
}

#[test]
fn grm_12_what_was_said_before_a_chain_was_given_stays_unreadable() {
    let mut sender = begun();
    let early = said(&mut sender, b"before");
    let mut late = Reader::of(&sender);
    assert_eq!(late.open(&early).err(), Some(RefusedMessage::BeforeGiven));
    assert_eq!(late.open(&said(&mut sender, b"after")).unwrap(), b"after");
    let changes: [fn(&mut wire::ChainKey); 4] = [
        |key| key.count = MAX_CHAIN_MESSAGES + 1,
        |key| key.key.truncate(31),
        |key| key.chain_id.clear(),
        |key| key.signing_key = vec![0; 32],
    ];
    for change in changes {
        let mut key = sender.key_now();
        change(&mut key);
        assert_eq!(ReceiverChain::from_key(&key).err(), Some(MalformedChainKey));
    }
}

#[test]
fn grm_13_the_same_chain_with_another_key_is_told() {
    let chain = begun();
    let mut other = SenderChain::begin(None, NOW, &mut ChaCha20Rng::seed_from_u64(2)).key_now();
    other.chain_id = chain.id().to_vec();
    let given = ReceiverChain::from_key(&chain.key_now()).unwrap();
    assert!(given.is_same(&ReceiverChain::from_key(&chain.key_now()).unwrap()));
    assert!(!given.is_same(&ReceiverChain::from_key(&other).unwrap()));
}

#[test]
fn grm_13_a_chain_given_from_an_earlier_message_opens_what_was_said_since_and_nothing_twice() {
    let mut chain = begun();
    let whole = chain.key_now();
    let messages: Vec<_> = (0..6).map(|number| said(&mut chain, &[number])).collect();
    let from = |count: usize| {
        let mut chain = begun();
        (0..count).for_each(|number| drop(said(&mut chain, &[number as u8])));
        chain.key_now()
    };
    // Given from the third, and then one of those that follow is read, and one passed over.
    let mut reader = Reader { chain: ReceiverChain::from_key(&from(3)).unwrap(), kept: Kept::default() };
    reader.open(&messages[4]).unwrap();
    assert_eq!(reader.open(&messages[1]).err(), Some(RefusedMessage::BeforeGiven));
    for later in [3, 4, 6] {
        let later = ReceiverChain::from_key(&from(later)).unwrap();
        assert!(reader.chain.from_earlier(later).unwrap().is_none());
    }
    let (longer, skipped) =
        reader.chain.from_earlier(ReceiverChain::from_key(&whole).unwrap()).unwrap().unwrap();
    assert_eq!(skipped.insert.iter().map(|(count, _)| *count).collect::<Vec<_>>(), [0, 1, 2]);
    reader.chain = ReceiverChain::decode(&longer.encode()).unwrap();
    reader.kept.0.extend(skipped.insert);
    for at in [1, 0, 3, 2, 5] {
        assert_eq!(reader.open(&messages[at]).unwrap(), [at as u8]);
    }
    for message in &messages {
        assert_eq!(reader.open(message).err(), Some(RefusedMessage::KeyGone));
    }
    // And a second time it tells nothing new.
    assert!(reader.chain.from_earlier(ReceiverChain::from_key(&whole).unwrap()).unwrap().is_none());
}

#[test]
fn grm_13_an_earlier_key_that_does_not_lead_to_the_known_one_is_refused() {
    let mut chain = begun();
    let mut forged = chain.key_now();
    forged.key[7] ^= 1;
    said(&mut chain, b"one");
    let known = ReceiverChain::from_key(&chain.key_now()).unwrap();
    let refused = |given: &wire::ChainKey| known.from_earlier(ReceiverChain::from_key(given).unwrap()).err();
    assert_eq!(refused(&forged), Some(OtherChain));
    let mut signer = begun().key_now();
    signer.signing_key =
        SenderChain::begin(None, NOW, &mut ChaCha20Rng::seed_from_u64(2)).key_now().signing_key;
    assert_eq!(refused(&signer), Some(OtherChain));
    assert_eq!(refused(&begun().key_now()), None);
}

#[test]
fn a_chain_stored_before_its_beginning_was_known_takes_nothing_earlier() {
    let mut chain = begun();
    let whole = ReceiverChain::from_key(&chain.key_now()).unwrap();
    said(&mut chain, b"one");
    let stored = ReceiverChain::from_key(&chain.key_now()).unwrap().encode();
    // The first form: the same without the place from which the chain was given.
    let mut first = stored.to_vec();
    first[0] = 1;
    let at = first.len() - 9;
    first.drain(at..at + 4);
    let known = ReceiverChain::decode(&first).unwrap();
    assert!(known.from_earlier(whole).unwrap().is_none());
}

#[test]
fn grm_14_a_chain_ends_where_its_successor_says_and_dies_a_week_later() {
    let mut old = begun();
    let mut reader = Reader::of(&old);
    let missing = said(&mut old, b"missing");
    let last = said(&mut old, b"last");
    reader.open(&last).unwrap();
    let mut new = SenderChain::begin(Some(&old), NOW, &mut rng());
    let first = said(&mut new, b"new");
    let (chain, count) = Reader::of(&begun_again(&old)).try_open(&first).unwrap().before.unwrap();
    assert_eq!((chain, count), (old.id(), 2));
    let beyond = said(&mut old, b"beyond");
    reader.chain = reader.chain.clone().end(count, NOW);
    // What a later message says of it changes nothing.
    reader.chain = reader.chain.clone().end(9, NOW.plus_millis(5));
    assert_eq!(reader.open(&beyond).err(), Some(RefusedMessage::Ended));
    let dies = NOW.plus_millis(SENDER_CHAIN_LIFETIME_MS);
    assert_eq!(reader.chain.dies(), Some(dies));
    let at = |now| reader.chain.open(&missing, GROUP, 2, b"more", &reader.kept, now).map(drop);
    assert_eq!(at(dies), Err(RefusedMessage::Ended));
    assert_eq!(at(NOW.plus_millis(SENDER_CHAIN_LIFETIME_MS - 1)), Ok(()));
}

/// The same new chain that the test above begins after `old`.
fn begun_again(old: &SenderChain) -> SenderChain {
    SenderChain::begin(Some(old), NOW, &mut rng())
}

#[test]
fn stored_chains_read_back_and_refuse_what_is_none() {
    let mut old = begun();
    said(&mut old, b"x");
    let chain = SenderChain::begin(Some(&old), NOW, &mut ChaCha20Rng::seed_from_u64(3));
    let stored = chain.encode();
    for again in
        [SenderChain::decode(&stored).unwrap(), SenderChain::decode_with(&stored, &chain.signer()).unwrap()]
    {
        assert_eq!(again.encode(), stored);
        assert_eq!(again.verifying_key(), chain.verifying_key());
    }
    // Another chain's key is not taken for this one's.
    assert_eq!(
        SenderChain::decode_with(&stored, &old.signer()).unwrap().verifying_key(),
        chain.verifying_key()
    );
    let received = ReceiverChain::from_key(&chain.key_now()).unwrap().end(4, NOW).encode();
    assert_eq!(ReceiverChain::decode(&received).unwrap().encode(), received);
    for length in 0..stored.len() {
        assert!(SenderChain::decode(&stored[..length]).is_err());
    }
    for length in 0..received.len() {
        assert!(ReceiverChain::decode(&received[..length]).is_err());
    }
    let mut newer = received.to_vec();
    newer[0] = 3;
    assert_eq!(ReceiverChain::decode(&newer).err(), Some(InvalidStored::Newer { version: 3 }));
}

#[test]
fn debug_shows_no_secret() {
    let chain = begun();
    let shown =
        format!("{:?} {:?} {:?}", chain, chain.signer(), ReceiverChain::from_key(&chain.key_now()).unwrap());
    assert_eq!(
        shown,
        format!(
            "SenderChain {{ id: {id:?}, count: 0, made: {NOW:?}, before: None, .. }} \
             ChainSigner {{ chain: {id:?}, .. }} ReceiverChain {{ id: {id:?}, first: 0, next: 0, end: None, .. }}",
            id = chain.id()
        )
    );
    let opened = Reader::of(&chain).try_open(&said(&mut chain.clone(), b"hush")).unwrap();
    assert!(format!("{opened:?}").starts_with("OpenedGroupMessage { next: ReceiverChain"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever order they come in, however often: each message opens once, as what it was.
    #[test]
    fn grm_10_every_message_opens_once_in_any_order(order in prop::collection::vec(0..20_usize, 0..80)) {
        let mut sender = begun();
        let mut reader = Reader::of(&sender);
        let messages: Vec<_> = (0..20_u32).map(|n| said(&mut sender, &n.to_be_bytes())).collect();
        let mut seen = std::collections::BTreeSet::new();
        for n in order {
            match reader.open(&messages[n]) {
                Ok(text) => {
                    prop_assert_eq!(text, u32::try_from(n).unwrap().to_be_bytes());
                    prop_assert!(seen.insert(n));
                }
                Err(refused) => {
                    prop_assert_eq!(refused, RefusedMessage::KeyGone);
                    prop_assert!(seen.contains(&n));
                }
            }
        }
    }

    #[test]
    fn grm_1_any_bytes_are_refused_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let key = OuterKey::restore(&[1; 32]);
        prop_assert!(outer::open(&key, &bytes).is_err());
        prop_assert!(ReceiverChain::decode(&bytes).is_err() || bytes.len() > 90);
    }
}
