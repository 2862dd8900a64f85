//! What the engine decides about files, on a stage: no bytes pass.

use wheesht_core::{
    api::{
        Body, ConversationId, EventKind, FileState, Message, MessageState, Outgoing, Password, Request,
        Response, To, Who as Whom,
    },
    engine::BlobFailure,
    proto::{address::Address, ids::MessageId},
};
use wheesht_relay::service::Settings;
use wheesht_tests::stage::{
    Stage, Who,
    people::{MINUTE, PASSWORD, Two, friends},
};

fn send(stage: &mut Stage, from: Who, to: ConversationId, path: &str) -> MessageId {
    let request = Request::SendFile { to: to.into(), file: Outgoing::new(path) };
    match stage.ask(from, request) {
        Ok(Response::Queued { message, .. }) => message,
        other => panic!("{other:?}"),
    }
}

fn find(stage: &mut Stage, who: Who, conversation: ConversationId, message: MessageId) -> Option<Message> {
    stage.history(who, conversation).into_iter().find(|one| one.id == message)
}

fn state(message: &Message) -> FileState {
    match &message.body {
        Body::File { file, .. } => file.state.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn fil_10_a_message_goes_when_its_file_is_there_and_not_before() {
    let Two { mut stage, alice, bob, alice_id, bob_id } = friends(1);
    let (with_bob, with_alice) = (ConversationId::Direct(bob_id), ConversationId::Direct(alice_id));
    stage.blobs.files.insert("/home/a.txt".to_owned(), b"words".to_vec());
    stage.blobs.failures.push(("upload", BlobFailure::Network("it broke".to_owned())));
    let message = send(&mut stage, alice, with_bob, "/home/a.txt");
    let waits = find(&mut stage, alice, with_bob, message).unwrap();
    assert_eq!(waits.state, Some(MessageState::Pending));
    assert!(matches!(state(&waits), FileState::Waiting { error: Some(_) }), "{waits:?}");
    assert!(find(&mut stage, bob, with_alice, message).is_none());
    // It goes on by itself.
    stage.advance(MINUTE);
    let here = find(&mut stage, bob, with_alice, message).unwrap();
    assert_eq!(state(&here), FileState::Saved { path: "/downloads/a.txt".to_owned() });
    let sent = find(&mut stage, alice, with_bob, message).unwrap();
    assert_eq!(sent.state, Some(MessageState::Delivered));
}

#[test]
fn fil_10_a_transfer_survives_a_restart_and_a_relay_that_is_full() {
    let Two { mut stage, alice, bob, alice_id, bob_id } = friends(2);
    let (with_bob, with_alice) = (ConversationId::Direct(bob_id), ConversationId::Direct(alice_id));
    stage.blobs.files.insert("/home/a.txt".to_owned(), b"words".to_vec());
    stage.blobs.failures.push(("upload", BlobFailure::NoRoom));
    let message = send(&mut stage, alice, with_bob, "/home/a.txt");
    let FileState::Waiting { error: Some(error) } =
        state(&find(&mut stage, alice, with_bob, message).unwrap())
    else {
        panic!("it waits")
    };
    assert!(error.message.contains("no room"), "{error}");
    stage.restart(alice);
    stage.advance(MINUTE);
    assert!(find(&mut stage, bob, with_alice, message).is_some());
}

#[test]
fn fil_7_what_was_begun_anew_too_often_stops_and_says_so() {
    let Two { mut stage, alice, bob_id, .. } = friends(3);
    let with_bob = ConversationId::Direct(bob_id);
    stage.blobs.files.insert("/home/a.txt".to_owned(), b"words".to_vec());
    for _ in 0..10 {
        stage.blobs.failures.push(("upload", BlobFailure::Garbled));
    }
    let message = send(&mut stage, alice, with_bob, "/home/a.txt");
    stage.advance(MINUTE);
    let stopped = find(&mut stage, alice, with_bob, message).unwrap();
    assert!(matches!(state(&stopped), FileState::Stopped { .. }), "{stopped:?}");
    stage.blobs.failures.clear();
    let resume = Request::ResumeTransfer { conversation: with_bob, message };
    assert_eq!(stage.ask(alice, resume), Ok(Response::Done));
    stage.advance(MINUTE);
    assert_eq!(find(&mut stage, alice, with_bob, message).unwrap().state, Some(MessageState::Delivered));
}

#[test]
fn fil_9_a_file_is_not_fetched_from_a_relay_that_is_neither_ones() {
    let Two { mut stage, alice, alice_id, .. } = friends(4);
    stage.add_relay(Settings::new("other.test"));
    let elsewhere = |stage: &mut Stage, name: &str| {
        let who = stage.add();
        let address: Address = format!("{name}@other.test").parse().unwrap();
        let password = Password::new(PASSWORD);
        let request = Request::Register { address, password, device: name.to_owned() };
        assert_eq!(stage.ask(who, request), Ok(Response::Done));
        who
    };
    let (carol, dave) = (elsewhere(&mut stage, "carol"), elsewhere(&mut stage, "dave"));
    let (carol_id, dave_id) = (stage.account(carol), stage.account(dave));
    for (to, by) in [("alice@relay.test", alice), ("dave@other.test", dave)] {
        let to: Address = to.parse().unwrap();
        stage.ask(carol, Request::send(Whom::Address(to), "hello")).unwrap();
        stage.advance(MINUTE);
        stage.ask(by, Request::AcceptContact { who: Whom::Id(carol_id) }).unwrap();
        stage.advance(MINUTE);
    }
    stage.blobs.files.insert("/home/a.txt".to_owned(), b"words".to_vec());
    // Alice's file lies on her relay: Carol, who lives elsewhere, may fetch it there.
    let message = send(&mut stage, alice, ConversationId::Direct(carol_id), "/home/a.txt");
    stage.advance(MINUTE);
    let with_alice = ConversationId::Direct(alice_id);
    let here = find(&mut stage, carol, with_alice, message).unwrap();
    assert!(matches!(state(&here), FileState::Saved { .. }), "{here:?}");
    // But Dave would have to fetch it from a relay that is neither his nor Carol's.
    let forward = |to: To| Request::Forward { conversation: with_alice, message, to };
    let error = stage.ask(carol, forward(To::Who(Whom::Id(dave_id)))).unwrap_err();
    assert!(error.message.contains("can't be fetched"), "{error}");
    assert!(stage.ask(carol, forward(To::Who(Whom::Id(alice_id)))).is_ok());
}

#[test]
fn own_devices_have_the_file_too_and_deletion_reaches_the_blob() {
    let Two { mut stage, alice, bob_id, .. } = friends(5);
    let with_bob = ConversationId::Direct(bob_id);
    let second = stage.join(alice, "alice");
    stage.blobs.files.insert("/home/a.txt".to_owned(), b"words".to_vec());
    let message = send(&mut stage, alice, with_bob, "/home/a.txt");
    stage.advance(MINUTE);
    let there = find(&mut stage, second, with_bob, message).unwrap();
    assert!(matches!(state(&there), FileState::Saved { .. }), "{there:?}");
    assert_eq!(stage.blobs.stored(), 1);
    // Deleted on the other device: the one that uploaded it hears of it, and calls the blob back.
    let delete = Request::Delete { conversation: with_bob, message, for_all: true };
    assert_eq!(stage.ask(second, delete), Ok(Response::Done));
    stage.advance(MINUTE);
    assert_eq!(stage.blobs.stored(), 0);
    let changed = stage.events(alice);
    assert!(changed.iter().any(|event| matches!(event, EventKind::MessageChanged { .. })));
}

#[test]
fn fil_16_a_file_that_disappears_takes_its_blob_along() {
    let Two { mut stage, alice, bob, alice_id, bob_id } = friends(6);
    let (with_bob, with_alice) = (ConversationId::Direct(bob_id), ConversationId::Direct(alice_id));
    let timer = Request::SetDisappearing { conversation: with_bob, after_ms: 10 * MINUTE };
    stage.ask(alice, timer).unwrap();
    stage.advance(MINUTE);
    stage.blobs.files.insert("/home/a.txt".to_owned(), b"words".to_vec());
    let message = send(&mut stage, alice, with_bob, "/home/a.txt");
    stage.advance(MINUTE);
    let here = find(&mut stage, bob, with_alice, message).unwrap();
    stage.ask(bob, Request::MarkRead { conversation: with_alice, up_to: here.seq }).unwrap();
    assert_eq!(stage.blobs.stored(), 1);
    stage.advance(20 * MINUTE);
    assert!(find(&mut stage, bob, with_alice, message).is_none());
    assert_eq!(stage.blobs.stored(), 0);
    assert!(!stage.blobs.files.contains_key("/downloads/a.txt"), "it was fetched unasked");
}
