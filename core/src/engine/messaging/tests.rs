//! Rules on rows that no frontend sees: which session is sent on, and what the log of what was sent keeps.

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng as _;
use wheesht_proto::{
    content::{Announce, RetryRequest, Text, content::Body},
    ids::{AccountId, DeviceId},
    limits::DAY_MS,
    prost::Message as _,
    stored::{HistoryEntry, OutboxItem, Parcel, PeerDevice, PeerSession, Peers, history_entry},
};
use zeroize::Zeroizing;

use super::{
    super::{
        Ctx,
        ctx::Passing,
        search,
        tables::{PEERS, SEARCH_STATE, SEARCH_WAITING, SENT_LOG},
    },
    history, outbox, repair, sessions,
};
use crate::{
    api::{ConversationId, Response, Search},
    store::{Direction, MemoryBackend, Store, StoreKey},
    time::Timestamp,
};

const THEM: AccountId = AccountId::new([1; 32]);
const DEVICE: DeviceId = DeviceId::new([2; 16]);
const BROKEN: &[u8] = &[3; 8];
const OTHER: &[u8] = &[4; 8];
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn with_ctx(test: impl FnOnce(&mut Ctx<'_, '_>)) {
    let key = StoreKey::from_bytes(Zeroizing::new([7; 32]));
    let own = Box::new(ChaCha20Rng::seed_from_u64(1));
    let mut store = Store::create(Box::new(MemoryBackend::new()), &key, own, NOW).unwrap();
    let (mut tx, mut rng) = (store.begin(), ChaCha20Rng::seed_from_u64(2));
    let (mut passing, mut effects) = (Passing::default(), Vec::new());
    test(&mut Ctx::new(&mut tx, NOW, &mut rng, &mut passing, &mut effects));
}

fn question(session: &[u8]) -> RetryRequest {
    RetryRequest { session_id: session.to_vec(), ratchet_key: vec![5; 32], count: 0 }
}

/// Two sessions with a device; the first is the one to send on.
fn two_sessions(ctx: &mut Ctx<'_, '_>) {
    let sessions = [BROKEN, OTHER].map(|id| PeerSession { session_id: id.to_vec(), retired: false }).to_vec();
    let device = PeerDevice { device_id: DEVICE.to_vec(), sessions, renew: false };
    ctx.save(PEERS, THEM.as_ref(), 0, &Peers { devices: vec![device] });
}

fn sends_on(ctx: &Ctx<'_, '_>) -> Option<Vec<u8>> {
    sessions::current(ctx, &THEM, &DEVICE).unwrap()
}

#[test]
fn con_18_nothing_more_is_sent_in_a_session_that_the_other_can_t_read_but_it_is_kept() {
    with_ctx(|ctx| {
        two_sessions(ctx);
        assert_eq!(sends_on(ctx).as_deref(), Some(BROKEN));
        repair::asked(ctx, &THEM, &DEVICE, &question(BROKEN)).unwrap();
        assert_eq!(sends_on(ctx).as_deref(), Some(OTHER));
        let peers: Peers = ctx.load(PEERS, THEM.as_ref(), 0).unwrap().unwrap();
        assert_eq!(peers.devices[0].sessions.len(), 2);
    });
}

#[test]
fn con_18_at_most_200_questions_of_a_device_are_looked_at_in_an_hour() {
    with_ctx(|ctx| {
        two_sessions(ctx);
        for _ in 0..200 {
            repair::asked(ctx, &THEM, &DEVICE, &question(&[9; 8])).unwrap();
        }
        repair::asked(ctx, &THEM, &DEVICE, &question(BROKEN)).unwrap();
        assert_eq!(sends_on(ctx).as_deref(), Some(BROKEN));
        ctx.now = NOW.plus_millis(DAY_MS / 24);
        repair::asked(ctx, &THEM, &DEVICE, &question(BROKEN)).unwrap();
        assert_eq!(sends_on(ctx).as_deref(), Some(OTHER));
    });
}

/// Puts a content into the lane and takes it out as sent.
fn sent(ctx: &mut Ctx<'_, '_>, body: Body) {
    let content = outbox::content(ctx, body).encode_to_vec();
    let item = OutboxItem { content, parcels: vec![Parcel::default()], ..Default::default() };
    outbox::push(ctx, &THEM, item).unwrap();
    let (n, item) = outbox::window(ctx, &THEM).unwrap().pop().unwrap();
    outbox::finish(ctx, &THEM, n, item, Ok(())).unwrap();
}

fn text() -> Body {
    Body::Text(Text { body: "hello".to_owned(), ..Default::default() })
}

fn logged(ctx: &Ctx<'_, '_>) -> usize {
    ctx.tx.scan(SENT_LOG, THEM.as_ref(), .., Direction::Forward, usize::MAX).unwrap().len()
}

#[test]
fn con_20_the_log_holds_a_thousand_contents() {
    with_ctx(|ctx| {
        for _ in 0..1_003 {
            sent(ctx, text());
        }
        assert_eq!(logged(ctx), 1_000);
    });
}

#[test]
fn con_20_the_log_holds_nothing_for_longer_than_30_days() {
    with_ctx(|ctx| {
        sent(ctx, text());
        ctx.now = NOW.plus_millis(30 * DAY_MS);
        sent(ctx, text());
        outbox::prune_log(ctx, &THEM).unwrap();
        assert_eq!(logged(ctx), 2);
        ctx.now = ctx.now.plus_millis(1);
        outbox::prune_log(ctx, &THEM).unwrap();
        assert_eq!(logged(ctx), 1);
    });
}

#[test]
fn con_20_what_asks_or_only_announces_is_not_logged() {
    with_ctx(|ctx| {
        sent(ctx, Body::RetryRequest(question(BROKEN)));
        sent(ctx, Body::Announce(Announce {}));
        assert_eq!(logged(ctx), 0);
        sent(ctx, text());
        assert_eq!(logged(ctx), 1);
    });
}

#[test]
fn sea_5_messages_of_before_there_was_an_index_are_taken_in_a_few_at_a_time() {
    with_ctx(|ctx| {
        let id = ConversationId::Direct(THEM);
        for n in 0..300 {
            let mut entry = HistoryEntry {
                message_id: vec![n as u8; 16],
                sender: THEM.to_vec(),
                sent_ms: 1_000_000 * n,
                received_ms: 1_000_000 * n,
                body: Some(history_entry::Body::Text(format!("lighthouse {n}"))),
                ..Default::default()
            };
            let (conversation, position) = history::append(ctx, &id, &mut entry).unwrap();
            // As a version without an index has left it.
            entry.search = 0;
            history::save(ctx, &conversation, position, &entry);
        }
        ctx.tx.delete_all(SEARCH_WAITING, b"").unwrap();
        ctx.tx.delete_all(SEARCH_STATE, b"").unwrap();
        ctx.passing.search = Default::default();
        search::start(ctx).unwrap();
        let found = |ctx: &mut Ctx<'_, '_>| {
            let ask = Search { query: "lighthouse".to_owned(), limit: 100, ..Default::default() };
            let mut hits = 0;
            let mut ask = ask;
            loop {
                let Ok(Some(Response::Found { found })) = search::search(ctx, &ask) else {
                    panic!("no answer")
                };
                hits += found.hits.len();
                ask.cursor = found.cursor;
                if ask.cursor.is_none() {
                    return (hits, found.incomplete);
                }
            }
        };
        assert_eq!(found(ctx), (0, true));
        search::due(ctx).unwrap();
        assert_eq!(found(ctx), (128, true));
        for _ in 0..6 {
            search::due(ctx).unwrap();
        }
        assert_eq!(found(ctx), (300, false));
    });
}
