//! What was said reaches a device that joined later: whole, once, in order, whoever dies in between.

use wheesht_core::{
    api::{ConversationId, EventKind, HistoryTransfer, HistoryTransferState, Message, MessageState},
    engine::BlobFailure,
    proto::ids::AccountId,
};
use wheesht_tests::stage::people::{Two, friends};

use super::*;

fn give(device: DeviceId) -> Request {
    Request::SendHistory { device }
}

fn transfers(stage: &mut Stage, who: Who) -> Vec<HistoryTransfer> {
    let of = |event| match event {
        EventKind::HistoryTransfer { transfer } => Some(transfer),
        _ => None,
    };
    stage.events(who).into_iter().filter_map(of).collect()
}

/// What a person sees of a conversation, in its order.
fn seen(stage: &mut Stage, who: Who, with: AccountId) -> Vec<(String, bool)> {
    let body = |message: &Message| (format!("{:?}", message.body), message.outgoing);
    stage.history(who, ConversationId::Direct(with)).iter().map(body).collect()
}

/// Alice and Bob have said a lot of long things: several parts' worth. Then Alice has a second device.
fn talkers(seed: u64, long: usize) -> (Two, Who) {
    let mut two = friends(seed);
    for n in 0..long {
        let text = format!("{n} {}", "blether ".repeat(7_000));
        two.stage.send(two.alice, "bob", &text);
        two.stage.send(two.bob, "alice", &format!("{n} aye"));
        two.stage.advance(1_000);
    }
    two.stage.advance(5 * MINUTE);
    let second = two.stage.join(two.alice, "alice");
    two.stage.advance(MINUTE);
    (two, second)
}

fn whole(stage: &mut Stage, first: Who, second: Who, with: AccountId) {
    let (there, here) = (seen(stage, first, with), seen(stage, second, with));
    assert_eq!(here.len(), there.len());
    assert!(here == there, "in another order, or not the same");
}

#[test]
fn history_reaches_a_device_that_joined_later_dev_23_dev_24_dev_25() {
    let (Two { mut stage, alice, bob, bob_id, alice_id }, second) = talkers(961, 30);
    let device = device(&mut stage, second);
    assert!(seen(&mut stage, second, bob_id).len() < 5);
    stage.events(second);
    assert_eq!(stage.ask(alice, give(device)), Ok(Response::Done));
    stage.advance(5 * MINUTE);
    whole(&mut stage, alice, second, bob_id);
    let given = transfers(&mut stage, alice);
    let taken = transfers(&mut stage, second);
    for (told, sending) in [(&given, true), (&taken, false)] {
        let last = told.last().unwrap();
        assert_eq!((last.sending, &last.state), (sending, &HistoryTransferState::Done), "{told:?}");
        assert!(last.done >= 60 && last.done <= last.total, "{last:?}");
        assert!(told.iter().filter(|one| one.state == HistoryTransferState::Running).count() >= 1);
        assert!(told.windows(2).all(|pair| pair[0].done <= pair[1].done), "{told:?}");
    }
    // Nothing is left on the relay, and nobody else has heard of anything.
    assert_eq!(stage.blobs.stored(), 0);
    // New messages stand behind it, and doing it again changes nothing.
    stage.send(bob, "alice", "and another thing");
    assert_eq!(stage.ask(alice, give(device)), Ok(Response::Done));
    stage.advance(5 * MINUTE);
    whole(&mut stage, alice, second, bob_id);
    assert_eq!(stage.texts(second, bob_id).last().unwrap(), "and another thing");
    assert_eq!(stage.blobs.stored(), 0);
    let own = stage.history(second, ConversationId::Direct(bob_id));
    assert!(own.iter().filter(|one| one.outgoing).all(|one| one.state != Some(MessageState::Pending)));
    assert_eq!(stage.history(bob, ConversationId::Direct(alice_id)).len(), own.len());
}

#[test]
fn whoever_dies_in_between_goes_on_and_nothing_is_taken_in_twice_dev_24_dev_25() {
    let mut cut = 0;
    for steps in [0, 1, 2, 3, 5, 8, 12, 16, 20, 25, 30, 40, 50, 60] {
        for giver in [true, false] {
            let (Two { mut stage, alice, bob_id, .. }, second) = talkers(962, 20);
            let device = device(&mut stage, second);
            stage.command(alice, give(device));
            // The command itself is durable first.
            stage.step();
            for _ in 0..steps {
                stage.step();
            }
            let whom = if giver { alice } else { second };
            cut += usize::from(stage.history(second, ConversationId::Direct(bob_id)).len() < 40);
            stage.restart(whom);
            stage.advance(15 * MINUTE);
            whole(&mut stage, alice, second, bob_id);
            assert_eq!(stage.troubles(second), []);
        }
    }
    assert!(cut > 4, "{cut}");
}

#[test]
fn what_fails_is_tried_again_or_told_in_words_dev_25() {
    let (Two { mut stage, alice, bob_id, .. }, second) = talkers(963, 20);
    let device = device(&mut stage, second);
    let network = || BlobFailure::Network("the line is down".to_owned());
    stage.blobs.failures =
        vec![("upload", network()), ("upload", BlobFailure::BadTicket), ("download", network())];
    assert_eq!(stage.ask(alice, give(device)), Ok(Response::Done));
    stage.advance(15 * MINUTE);
    whole(&mut stage, alice, second, bob_id);
    let waited = |told: Vec<HistoryTransfer>| {
        told.iter().any(
            |one| matches!(&one.state, HistoryTransferState::Waiting { error } if !error.next.is_empty()),
        )
    };
    assert!(waited(transfers(&mut stage, alice)) && waited(transfers(&mut stage, second)));
    // A part that the relay has lost, or changed, is said to be missing; the rest arrives.
    for failure in [BlobFailure::Gone, BlobFailure::NotAuthentic] {
        let third = stage.join(alice, "alice");
        let third_id = self::device(&mut stage, third);
        stage.blobs.failures = vec![("download", failure)];
        stage.events(third);
        assert_eq!(stage.ask(alice, give(third_id)), Ok(Response::Done));
        stage.advance(15 * MINUTE);
        let told = transfers(&mut stage, third);
        assert!(told.iter().any(|one| matches!(one.state, HistoryTransferState::Failed { .. })), "{told:?}");
        let part = seen(&mut stage, third, bob_id).len();
        assert!(part < 40, "{part}");
        assert_eq!(stage.ask(alice, give(third_id)), Ok(Response::Done));
        stage.advance(15 * MINUTE);
        whole(&mut stage, alice, third, bob_id);
    }
}

#[test]
fn history_is_for_own_devices_only_and_ends_with_the_device_dev_23() {
    let (Two { mut stage, alice, bob, .. }, second) = talkers(964, 20);
    let (own, other) = (device(&mut stage, alice), device(&mut stage, second));
    let bobs = device(&mut stage, bob);
    assert_eq!(code(stage.ask(alice, give(own))), ErrorCode::Invalid);
    assert_eq!(code(stage.ask(alice, give(bobs))), ErrorCode::NotFound);
    assert_eq!(code(stage.ask(alice, Request::CancelHistory { device: other })), ErrorCode::NotFound);
    // Called back.
    stage.set_offline(alice, true);
    assert_eq!(stage.ask(alice, give(other)), Ok(Response::Done));
    assert_eq!(stage.ask(alice, Request::CancelHistory { device: other }), Ok(Response::Done));
    stage.set_offline(alice, false);
    stage.advance(5 * MINUTE);
    assert_eq!(stage.blobs.stored(), 0);
    // Removed meanwhile.
    stage.set_offline(second, true);
    assert_eq!(stage.ask(alice, give(other)), Ok(Response::Done));
    assert_eq!(stage.ask(alice, remove_request(other, PASSWORD)), Ok(Response::Done));
    stage.advance(5 * MINUTE);
    assert_eq!(code(stage.ask(alice, Request::CancelHistory { device: other })), ErrorCode::NotFound);
}

#[test]
fn what_disappears_is_handed_to_nobody_dev_24() {
    let Two { mut stage, alice, bob_id, .. } = friends(965);
    let conversation = ConversationId::Direct(bob_id);
    stage.send(alice, "bob", "stays");
    let timed = Request::SetDisappearing { conversation, after_ms: 60 * MINUTE };
    assert!(stage.ask(alice, timed).is_ok());
    stage.send(alice, "bob", "goes");
    stage.advance(MINUTE);
    let second = stage.join(alice, "alice");
    let id = device(&mut stage, second);
    assert_eq!(stage.ask(alice, give(id)), Ok(Response::Done));
    stage.advance(2 * MINUTE);
    let texts = stage.texts(second, bob_id);
    assert!(texts.contains(&"> stays".to_owned()) && !texts.contains(&"> goes".to_owned()), "{texts:?}");
}

#[test]
fn a_device_that_joins_shows_drafts_and_settings_as_the_first_does_con_32() {
    let Two { mut stage, alice, bob_id, .. } = friends(966);
    let conversation = ConversationId::Direct(bob_id);
    let draft = Request::SetDraft { conversation, text: "half a thought".to_owned(), reply_to: None };
    assert_eq!(stage.ask(alice, draft), Ok(Response::Done));
    assert_eq!(stage.ask(alice, Request::SetReadReceipts { on: false }), Ok(Response::Done));
    assert!(stage.ask(alice, Request::Archive { conversation, archived: true }).is_ok());
    stage.advance(MINUTE);
    let second = stage.join(alice, "alice");
    stage.advance(MINUTE);
    for who in [alice, second] {
        let Ok(Response::Conversations { conversations }) = stage.ask(who, Request::Conversations) else {
            panic!("no list")
        };
        let one = conversations.iter().find(|one| one.id == conversation).expect("the conversation");
        assert_eq!(one.draft.as_ref().map(|draft| draft.text.as_str()), Some("half a thought"), "{who:?}");
        assert!(one.archived, "{who:?}");
        assert_eq!(
            stage.ask(who, Request::Settings),
            Ok(Response::Settings { read_receipts: false, auto_download: 5 << 20 })
        );
    }
}
