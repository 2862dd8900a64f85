//! The index against the simplest search there is: looking at every message.

use std::collections::BTreeMap;

use chacha20::ChaCha20Rng;
use proptest::prelude::*;
use rand_core::SeedableRng as _;
use wheesht_proto::stored::{HistoryEntry, history_entry};
use zeroize::Zeroizing;

use super::{
    super::{ctx::Passing, tables},
    marks::marks,
    merge,
    query::parse,
    waiting,
};
use crate::{
    engine::Ctx,
    store::{Backend as _, Direction, KeyClass, KeyRange, MemoryBackend, Store, StoreKey, Table},
    time::Timestamp,
};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const WORDS: [&str; 12] = [
    "sea", "Seaside", "season", "train", "trains", "tráin", "to", "the", "東京", "京都", "search", "seasonal",
];

fn with_ctx(test: impl FnOnce(&mut Ctx<'_, '_>)) {
    let key = StoreKey::from_bytes(Zeroizing::new([7; 32]));
    let own = Box::new(ChaCha20Rng::seed_from_u64(1));
    let mut store = Store::create(Box::new(MemoryBackend::new()), &key, own, NOW).unwrap();
    let (mut tx, mut rng) = (store.begin(), ChaCha20Rng::seed_from_u64(2));
    let (mut passing, mut effects) = (Passing::default(), Vec::new());
    test(&mut Ctx::new(&mut tx, NOW, &mut rng, &mut passing, &mut effects));
}

fn entry(text: &str, sent_ms: u64, timed: bool) -> HistoryEntry {
    HistoryEntry {
        sender: vec![1; 32],
        sent_ms,
        disappear_ms: u64::from(timed) * 1_000,
        body: Some(history_entry::Body::Text(text.to_owned())),
        ..Default::default()
    }
}

/// Everything that waits goes into the lists.
fn merge_all(ctx: &mut Ctx<'_, '_>) {
    merge::soon(ctx);
    for _ in 0..1_000 {
        merge::due(ctx).unwrap();
        if ctx.passing.search.job.is_none() && !ctx.passing.search.gone {
            break;
        }
    }
    assert_eq!(ctx.passing.search.waiting.len(), 0);
}

/// What lists and waiting rows give, by position, without the messages themselves.
fn found(ctx: &mut Ctx<'_, '_>, query: &str) -> Vec<u64> {
    let mut positions: Vec<u64> = super::find::numbers_of(ctx, query)
        .into_iter()
        .map(|number| match ctx.passing.search.waiting.get(number) {
            Some(one) => one.row.position,
            None => super::messages::find(ctx, number).unwrap().unwrap().1,
        })
        .collect();
    positions.sort_unstable();
    positions
}

#[derive(Debug, Clone)]
enum Step {
    Say(Vec<usize>, u64, bool),
    Edit(usize, Vec<usize>),
    Go(usize),
    Merge,
    Restart,
    HalfMerge,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let words = || proptest::collection::vec(0..WORDS.len(), 1..6);
    let step = prop_oneof![
        6 => (words(), 0_u64..1_000_000, any::<bool>()).prop_map(|(words, at, timed)| Step::Say(words, at, timed)),
        2 => (0_usize..40, words()).prop_map(|(which, words)| Step::Edit(which, words)),
        2 => (0_usize..40).prop_map(Step::Go),
        1 => Just(Step::Merge),
        1 => Just(Step::Restart),
        1 => Just(Step::HalfMerge),
    ];
    proptest::collection::vec(step, 1..60)
}

fn text(words: &[usize]) -> String {
    words.iter().map(|&word| WORDS[word]).collect::<Vec<_>>().join(" ")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..Default::default() })]
    #[test]
    fn sea_5_the_index_finds_what_looking_at_every_message_finds(steps in steps()) {
        with_ctx(|ctx| {
            let mut said = BTreeMap::<u64, HistoryEntry>::new();
            for (position, step) in (1..).zip(steps) {
                match step {
                    Step::Say(words, at, timed) => {
                        let mut entry = entry(&text(&words), at * 1_000, timed);
                        waiting::added(ctx, 3, position, &mut entry).unwrap();
                        said.insert(position, entry);
                    }
                    Step::Edit(which, words) => {
                        let Some((position, before)) = said.iter().nth(which).map(|(at, entry)| (*at, entry.clone())) else { continue };
                        let mut after = before.clone();
                        after.body = Some(history_entry::Body::Text(text(&words)));
                        waiting::changed(ctx, (3, position), &before, &mut after).unwrap();
                        said.insert(position, after);
                    }
                    Step::Go(which) => {
                        let Some(position) = said.keys().nth(which).copied() else { continue };
                        let entry = said.remove(&position).unwrap();
                        waiting::removed(ctx, (3, position), &entry).unwrap();
                    }
                    Step::Merge => merge_all(ctx),
                    Step::HalfMerge => {
                        // Begun, and the first step done.
                        merge::soon(ctx);
                        merge::due(ctx).unwrap();
                        merge::due(ctx).unwrap();
                    }
                    Step::Restart => {
                        ctx.passing.search = Default::default();
                        waiting::start(ctx).unwrap();
                    }
                }
            }
            for _ in 0..2 {
                for query in ["sea", "sea*", "se*", "seas*", "season*", "train", "\"to the\"", "\"the sea\" to", "京都", "東京 train", "trai* sea*"] {
                    let clauses = parse(query).unwrap().clauses;
                    let expected: Vec<u64> = said
                        .iter()
                        .filter(|(_, entry)| marks(super::super::messaging::text_of(entry), &clauses).is_some())
                        .map(|(position, _)| *position)
                        .collect();
                    assert_eq!(found(ctx, query), expected, "{query}");
                }
                merge_all(ctx);
            }
            // When everything has gone, so has every word.
            for (position, entry) in std::mem::take(&mut said) {
                waiting::removed(ctx, (3, position), &entry).unwrap();
            }
            merge_all(ctx);
            for word in WORDS {
                for term in super::words::words(word).map(|word| super::terms::Term::word(&word.folded)) {
                    for half in super::tables::HALVES {
                        assert!(super::lists::head(ctx, half, &term).unwrap().is_none());
                        assert!(super::dictionary::beginning_with(ctx, half, "seas", 10).unwrap().is_empty());
                    }
                }
            }
        });
    }
}

#[test]
fn sea_4_long_lists_are_cut_split_and_found_again() {
    with_ctx(|ctx| {
        let mut said = Vec::new();
        // Twice the span of a block, then in between, then taken out.
        for position in 1..4_000_u64 {
            let at = if position % 3 == 0 { 4_000 - position } else { position };
            let mut entry = entry("sea", at * 1_000_000, false);
            waiting::added(ctx, 1, position, &mut entry).unwrap();
            said.push((position, entry));
            if position % 500 == 0 {
                merge_all(ctx);
            }
        }
        merge_all(ctx);
        assert_eq!(found(ctx, "sea").len(), 3_999);
        let before = said.iter().filter(|(_, entry)| entry.sent_ms < 11 * 86_400_000).count();
        assert_eq!(found(ctx, "sea before:1970-01-12").len(), before);
        for (position, entry) in said.iter().filter(|(position, _)| position % 2 == 0) {
            waiting::removed(ctx, (1, *position), entry).unwrap();
        }
        merge_all(ctx);
        assert_eq!(found(ctx, "sea").len(), 2_000);
    });
}

#[test]
fn sea_5_messages_of_one_moment_have_numbers_of_their_own() {
    with_ctx(|ctx| {
        let mut numbers = std::collections::BTreeSet::new();
        for position in 1..3_000 {
            let mut entry = entry("sea", 0, false);
            waiting::added(ctx, 1, position, &mut entry).unwrap();
            assert!(entry.search != 0 && numbers.insert(entry.search));
        }
    });
}

#[test]
fn sea_4_neither_words_nor_times_can_be_read_in_the_rows() {
    let backend = MemoryBackend::new();
    let key = StoreKey::from_bytes(Zeroizing::new([7; 32]));
    let own = Box::new(ChaCha20Rng::seed_from_u64(1));
    let mut store = Store::create(Box::new(backend.clone()), &key, own, NOW).unwrap();
    let (mut passing, mut effects) = (Passing::default(), Vec::new());
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let mut tx = store.begin();
    let mut ctx = Ctx::new(&mut tx, NOW, &mut rng, &mut passing, &mut effects);
    for position in 1..600 {
        let mut entry = entry("secretword seasonal", NOW.as_millis() - position * 86_400, position % 2 == 0);
        waiting::added(&mut ctx, 1, position, &mut entry).unwrap();
    }
    merge_all(&mut ctx);
    tx.commit().unwrap();
    drop(store);
    let rows = backend.scan(&KeyRange::all(), Direction::Forward, usize::MAX).unwrap();
    assert!(rows.len() > 20);
    for (key, value) in rows {
        for needle in [&b"secretword"[..], b"secr", b"seasonal"] {
            assert!(
                ![&key, &value].iter().any(|bytes| bytes.windows(needle.len()).any(|part| part == needle))
            );
        }
        // Behind the pseudorandom part stand running numbers.
        if let Some(number) = key.get(17..).and_then(|number| number.try_into().ok()) {
            assert!(u64::from_be_bytes(number) < 10_000);
        }
    }
}

#[test]
fn sea_6_what_waits_and_what_disappears_is_sealed_under_the_daily_key() {
    let daily: [Table; 4] = [
        tables::SEARCH_WAITING,
        tables::TIMED_SEARCH_LISTS,
        tables::TIMED_SEARCH_WORDS,
        tables::TIMED_SEARCH_MESSAGES,
    ];
    assert!(daily.iter().all(|table| table.class() == KeyClass::Daily));
    with_ctx(|ctx| {
        let mut entry = entry("secretword", 5_000_000, true);
        waiting::added(ctx, 1, 1, &mut entry).unwrap();
        merge_all(ctx);
        let term = super::terms::Term::word("secretword");
        let [lasting, timed] = super::tables::HALVES;
        assert!(super::lists::head(ctx, lasting, &term).unwrap().is_none());
        assert!(super::lists::head(ctx, timed, &term).unwrap().is_some());
        // Gone at once for whoever searches, and from the lists with the next merge.
        waiting::removed(ctx, (1, 1), &entry).unwrap();
        assert!(found(ctx, "secretword").is_empty());
        merge_all(ctx);
        assert!(super::lists::head(ctx, timed, &term).unwrap().is_none());
    });
}
