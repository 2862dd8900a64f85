//! The account through the public door: registration, login, devices, rollback, prekeys, vault, over a real relay service.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may; clippy knows that of test functions only")]

use std::{cell::Cell, rc::Rc};

use wheesht_core::{
    api::{
        Body, Device, DeviceProposal, Error, ErrorCode, EventKind, Password, Phase, Request, Response,
        Status, StopReason, To, Trouble,
    },
    proto::{
        limits::DAY_MS,
        relay::{self, client_frame, relay_frame},
    },
    signed::UnverifiedManifest,
};
use wheesht_tests::stage::{Stage, Who, address};

const PASSWORD: &str = "orbit lava pencil dutch actor solve";
const MINUTE: u64 = 60_000;

fn register(stage: &mut Stage, who: Who, name: &str) -> Result<Response, Error> {
    register_with(stage, who, name, PASSWORD)
}

fn register_with(stage: &mut Stage, who: Who, name: &str, password: &str) -> Result<Response, Error> {
    stage.ask(
        who,
        Request::Register {
            address: address(name),
            password: Password::new(password),
            device: "first".to_owned(),
        },
    )
}

fn log_in_request(name: &str, password: &str, evict: bool) -> Request {
    Request::LogIn {
        address: address(name),
        password: Password::new(password),
        device: "second".to_owned(),
        evict,
    }
}

fn log_in(stage: &mut Stage, who: Who, name: &str, evict: bool) -> Status {
    match stage.ask(who, log_in_request(name, PASSWORD, evict)) {
        Ok(Response::Status { status }) => status,
        other => panic!("{other:?}"),
    }
}

fn status(stage: &mut Stage, who: Who) -> Status {
    match stage.ask(who, Request::Status) {
        Ok(Response::Status { status }) => status,
        other => panic!("{other:?}"),
    }
}

fn devices(stage: &mut Stage, who: Who) -> (Vec<Device>, Option<DeviceProposal>) {
    match stage.ask(who, Request::Devices) {
        Ok(Response::Devices { devices, proposal }) => (devices, proposal),
        other => panic!("{other:?}"),
    }
}

fn code(status: &Status) -> String {
    match &status.phase {
        Phase::Pending { code, .. } => code.clone(),
        other => panic!("{other:?}"),
    }
}

/// Alice with one device.
fn alice(seed: u64) -> (Stage, Who) {
    let mut stage = Stage::new(seed);
    let first = stage.add();
    assert_eq!(register(&mut stage, first, "alice"), Ok(Response::Done));
    (stage, first)
}

/// Alice with two devices.
fn alice_twice(seed: u64) -> (Stage, Who, Who) {
    let (mut stage, first) = alice(seed);
    let second = stage.add();
    log_in(&mut stage, second, "alice", false);
    let (_, proposal) = devices(&mut stage, first);
    let proposal = proposal.expect("the first device sees the request");
    assert_eq!(stage.ask(first, Request::ConfirmDevice { proposal: proposal.id }), Ok(Response::Done));
    stage.advance(MINUTE);
    assert_eq!(status(&mut stage, second).phase, Phase::Active);
    (stage, first, second)
}

#[test]
fn registers_and_is_there_after_a_restart() {
    let (mut stage, first) = alice(1);
    let before = status(&mut stage, first);
    assert_eq!((before.phase.clone(), before.online), (Phase::Active, true));
    assert_eq!(before.address, Some(address("alice")));
    stage.restart(first);
    stage.run();
    assert_eq!(status(&mut stage, first), before);
    let (devices, proposal) = devices(&mut stage, first);
    assert_eq!((devices.len(), proposal), (1, None));
    assert_eq!((devices[0].this, devices[0].label.as_deref()), (true, Some("first")));
}

#[test]
fn refuses_weak_passwords_taken_names_and_second_accounts() {
    let (mut stage, first) = alice(2);
    let other = stage.add();
    let error = register_with(&mut stage, other, "bob", "password1").unwrap_err();
    assert_eq!(error.code, ErrorCode::WeakPassword);
    let error = register(&mut stage, other, "alice").unwrap_err();
    assert_eq!((error.code, error.next.is_empty()), (ErrorCode::NameTaken, false));
    assert_eq!(status(&mut stage, other).phase, Phase::Empty);
    assert_eq!(register(&mut stage, other, "bob"), Ok(Response::Done));
    let error = register(&mut stage, first, "carol").unwrap_err();
    assert_eq!(error.code, ErrorCode::AccountExists);
}

#[test]
fn suggests_passphrases_that_it_takes() {
    let mut stage = Stage::new(3);
    let first = stage.add();
    let Ok(Response::Passphrase { passphrase }) = stage.ask(first, Request::SuggestPassphrase) else {
        panic!()
    };
    assert_eq!(passphrase.expose().split(' ').count(), 6);
    assert_eq!(register_with(&mut stage, first, "alice", passphrase.expose()), Ok(Response::Done));
}

#[test]
fn a_wrong_password_and_an_unknown_name_look_alike() {
    let (mut stage, _) = alice(4);
    let other = stage.add();
    for request in
        [log_in_request("alice", "wrong password for this", false), log_in_request("nobody", PASSWORD, false)]
    {
        let error = stage.ask(other, request).unwrap_err();
        assert_eq!((error.code, error.next.is_empty()), (ErrorCode::BadCredentials, false));
    }
    assert_eq!(status(&mut stage, other).phase, Phase::Empty);
}

#[test]
fn an_unreachable_relay_is_said_in_words() {
    let mut stage = Stage::new(5);
    let first = stage.add();
    stage.set_offline(first, true);
    let error = register(&mut stage, first, "alice").unwrap_err();
    assert_eq!((error.code, error.next.is_empty()), (ErrorCode::Network, false));
    stage.set_offline(first, false);
    assert_eq!(register(&mut stage, first, "alice"), Ok(Response::Done));
}

#[test]
fn a_relay_that_calls_itself_otherwise_is_named() {
    let mut stage = Stage::new(6);
    let mut settings = wheesht_relay::service::Settings::new("other.test");
    settings.registration = false;
    stage.add_relay(settings);
    let first = stage.add();
    let request = Request::Register {
        address: "alice@other.test".parse().unwrap(),
        password: Password::new(PASSWORD),
        device: String::new(),
    };
    let error = stage.ask(first, request).unwrap_err();
    assert_eq!((error.code, error.next.is_empty()), (ErrorCode::Relay, false));
}

#[test]
fn a_crash_at_any_step_of_a_registration_leaves_nothing_or_an_account_dev_1() {
    let mut finished = 0;
    for steps in 0..60 {
        let mut stage = Stage::new(7);
        let first = stage.add();
        let request = Request::Register {
            address: address("alice"),
            password: Password::new(PASSWORD),
            device: "first".to_owned(),
        };
        stage.command(first, request);
        for _ in 0..steps {
            stage.step();
        }
        stage.restart(first);
        stage.run();
        if status(&mut stage, first).phase == Phase::Empty {
            assert_eq!(register(&mut stage, first, "alice"), Ok(Response::Done), "after {steps} steps");
        } else {
            finished += 1;
        }
        assert_eq!(status(&mut stage, first).phase, Phase::Active, "after {steps} steps");
        let second = stage.add();
        log_in(&mut stage, second, "alice", false);
    }
    assert!(finished > 0);
}

#[test]
fn a_lost_connection_at_any_step_of_a_registration_leaves_nothing_or_an_account_dev_1() {
    for steps in 0..60 {
        let mut stage = Stage::new(8);
        let first = stage.add();
        let request = Request::Register {
            address: address("alice"),
            password: Password::new(PASSWORD),
            device: "first".to_owned(),
        };
        let id = stage.command(first, request);
        for _ in 0..steps {
            stage.step();
        }
        stage.disconnect(first);
        stage.run();
        let answer = stage.at(first).answer(id).expect("an answer");
        if let Err(error) = &answer {
            assert_eq!(
                (error.code, error.next.is_empty()),
                (ErrorCode::Network, false),
                "after {steps} steps"
            );
        }
        stage.advance(MINUTE);
        if status(&mut stage, first).phase == Phase::Empty {
            assert!(answer.is_err());
            assert_eq!(register(&mut stage, first, "alice"), Ok(Response::Done), "after {steps} steps");
        }
        assert_eq!(status(&mut stage, first).phase, Phase::Active, "after {steps} steps");
    }
}

#[test]
fn a_second_device_is_confirmed_by_the_first_dev_4() {
    let (mut stage, first) = alice(9);
    stage.events(first);
    let second = stage.add();
    let pending = log_in(&mut stage, second, "alice", false);
    let shown = stage.events(first).into_iter().find_map(|event| match event {
        EventKind::DeviceProposal { proposal } => proposal,
        _ => None,
    });
    let shown = shown.expect("the first device is told");
    assert_eq!((shown.code.clone(), shown.evicts, shown.effective_at), (code(&pending), false, None));
    assert_eq!(stage.ask(first, Request::ConfirmDevice { proposal: shown.id }), Ok(Response::Done));
    let joined = status(&mut stage, second);
    assert_eq!((joined.phase, joined.online), (Phase::Active, true));
    stage.advance(MINUTE);
    for who in [first, second] {
        let (devices, proposal) = devices(&mut stage, who);
        let mut labels: Vec<_> = devices.iter().filter_map(|device| device.label.clone()).collect();
        labels.sort();
        assert_eq!((labels, proposal), (vec!["first".to_owned(), "second".to_owned()], None), "{who:?}");
    }
    assert!(stage.events(first).iter().any(|event| matches!(event, EventKind::Devices { added, removed } if added.len() == 1 && removed.is_empty())));
}

#[test]
fn a_second_device_that_was_offline_meanwhile_finds_out() {
    let (mut stage, first) = alice(10);
    let second = stage.add();
    log_in(&mut stage, second, "alice", false);
    stage.set_offline(second, true);
    stage.restart(second);
    stage.run();
    let (_, proposal) = devices(&mut stage, first);
    let id = proposal.unwrap().id;
    assert_eq!(stage.ask(first, Request::ConfirmDevice { proposal: id }), Ok(Response::Done));
    stage.set_offline(second, false);
    stage.run();
    assert_eq!(status(&mut stage, second).phase, Phase::Active);
}

#[test]
fn a_second_device_that_is_rejected_is_told_and_can_try_again() {
    for offline in [false, true] {
        let (mut stage, first) = alice(11);
        let second = stage.add();
        log_in(&mut stage, second, "alice", false);
        stage.set_offline(second, offline);
        let (_, proposal) = devices(&mut stage, first);
        let id = proposal.unwrap().id;
        assert_eq!(stage.ask(first, Request::RejectDevice { proposal: id }), Ok(Response::Done));
        assert_eq!(devices(&mut stage, first).1, None);
        stage.set_offline(second, false);
        stage.advance(2 * MINUTE);
        assert_eq!(status(&mut stage, second).phase, Phase::Stopped { reason: StopReason::Rejected });
        log_in(&mut stage, second, "alice", false);
        let (_, proposal) = devices(&mut stage, first);
        let id = proposal.unwrap().id;
        assert_eq!(stage.ask(first, Request::ConfirmDevice { proposal: id }), Ok(Response::Done));
        assert_eq!(status(&mut stage, second).phase, Phase::Active);
    }
}

#[test]
fn an_eviction_waits_for_the_grace_and_then_stops_the_others_dev_5() {
    let (mut stage, first) = alice(12);
    let second = stage.add();
    let pending = log_in(&mut stage, second, "alice", true);
    let Phase::Pending { effective_at: Some(at), .. } = pending.phase else { panic!("{pending:?}") };
    let (_, proposal) = devices(&mut stage, first);
    let proposal = proposal.unwrap();
    assert_eq!((proposal.evicts, proposal.effective_at), (true, Some(at)));
    let error = stage.ask(first, Request::ConfirmDevice { proposal: proposal.id }).unwrap_err();
    assert_eq!(error.code, ErrorCode::Invalid);
    stage.advance(at.millis_since(stage.now) - MINUTE);
    assert_eq!(status(&mut stage, first).phase, Phase::Active);
    stage.advance(3 * MINUTE);
    assert_eq!(status(&mut stage, first).phase, Phase::Stopped { reason: StopReason::Removed });
    assert_eq!(status(&mut stage, second).phase, Phase::Active);
    let (devices, _) = devices(&mut stage, second);
    assert_eq!((devices.len(), devices[0].this), (1, true));
    // The evicted installation comes back as a device of its own.
    log_in(&mut stage, first, "alice", false);
    let (_, proposal) = self::devices(&mut stage, second);
    let id = proposal.unwrap().id;
    assert_eq!(stage.ask(second, Request::ConfirmDevice { proposal: id }), Ok(Response::Done));
    assert_eq!(status(&mut stage, first).phase, Phase::Active);
}

#[test]
fn an_eviction_is_stopped_by_an_existing_device() {
    let (mut stage, first) = alice(13);
    let second = stage.add();
    log_in(&mut stage, second, "alice", true);
    let (_, proposal) = devices(&mut stage, first);
    let id = proposal.unwrap().id;
    assert_eq!(stage.ask(first, Request::RejectDevice { proposal: id }), Ok(Response::Done));
    stage.advance(30 * MINUTE);
    assert_eq!(status(&mut stage, first).phase, Phase::Active);
    assert_eq!(status(&mut stage, second).phase, Phase::Stopped { reason: StopReason::Rejected });
}

#[test]
fn an_eviction_takes_effect_while_everyone_is_away() {
    let (mut stage, first) = alice(14);
    let second = stage.add();
    log_in(&mut stage, second, "alice", true);
    for who in [first, second] {
        stage.set_offline(who, true);
        stage.restart(who);
    }
    stage.advance(30 * MINUTE);
    for who in [first, second] {
        stage.set_offline(who, false);
    }
    stage.advance(MINUTE);
    assert_eq!(status(&mut stage, first).phase, Phase::Stopped { reason: StopReason::Removed });
    assert_eq!(status(&mut stage, second).phase, Phase::Active);
}

#[test]
fn a_store_put_back_from_a_copy_stops_dev_7() {
    let (mut stage, first, second) = alice_twice(15);
    let copy = stage.at(first).snapshot();
    // Something is committed after the copy, and stated.
    stage.events(first);
    stage.advance(5 * MINUTE);
    stage.restart(first);
    stage.advance(10 * MINUTE);
    stage.at(first).restore(&copy);
    stage.restart(first);
    stage.run();
    assert_eq!(status(&mut stage, first).phase, Phase::Stopped { reason: StopReason::RolledBack });
    // It joins anew, confirmed by the other device, and its old self is gone.
    log_in(&mut stage, first, "alice", false);
    let (_, proposal) = devices(&mut stage, second);
    let id = proposal.unwrap().id;
    assert_eq!(stage.ask(second, Request::ConfirmDevice { proposal: id }), Ok(Response::Done));
    assert_eq!(status(&mut stage, first).phase, Phase::Active);
    assert_eq!(devices(&mut stage, second).0.len(), 2);
}

#[test]
fn a_sole_device_put_back_from_a_copy_evicts_its_old_self() {
    let (mut stage, first) = alice(16);
    let copy = stage.at(first).snapshot();
    stage.advance(DAY_MS);
    stage.restart(first);
    stage.advance(10 * MINUTE);
    stage.at(first).restore(&copy);
    stage.restart(first);
    stage.run();
    assert_eq!(status(&mut stage, first).phase, Phase::Stopped { reason: StopReason::RolledBack });
    let pending = log_in(&mut stage, first, "alice", false);
    assert!(matches!(pending.phase, Phase::Pending { effective_at: Some(_), .. }));
    stage.advance(30 * MINUTE);
    assert_eq!(status(&mut stage, first).phase, Phase::Active);
    assert_eq!(devices(&mut stage, first).0.len(), 1);
}

#[test]
fn a_restart_is_no_rollback_dev_7() {
    let (mut stage, first) = alice(17);
    for _ in 0..20 {
        stage.advance(2 * MINUTE);
        stage.restart(first);
        stage.run();
        assert_eq!(status(&mut stage, first).phase, Phase::Active);
    }
}

/// Counts the uploads of prekeys: those that replace the signed one, and one-time keys.
fn count_uploads(stage: &mut Stage) -> (Rc<Cell<usize>>, Rc<Cell<usize>>) {
    let (rotations, one_time) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let (rotated, added) = (Rc::clone(&rotations), Rc::clone(&one_time));
    stage.watch = Some(Box::new(move |_, body| {
        if let client_frame::Body::UploadPrekeys(upload) = body {
            rotated.set(rotated.get() + usize::from(!upload.signed_prekey.is_empty()));
            added.set(added.get() + upload.one_time.len());
        }
    }));
    (rotations, one_time)
}

#[test]
fn months_go_by_and_keys_are_replaced_every_week_dev_11() {
    let (mut stage, first) = alice(18);
    let (rotations, one_time) = count_uploads(&mut stage);
    for _ in 0..20 {
        stage.advance(7 * DAY_MS);
        assert_eq!(status(&mut stage, first).phase, Phase::Active);
    }
    assert!((18..=20).contains(&rotations.get()), "{rotations:?}");
    assert_eq!(one_time.get(), 0);
    let trouble = stage.events(first).into_iter().find(|event| matches!(event, EventKind::Trouble { .. }));
    assert_eq!(trouble, None);
}

#[test]
fn one_time_prekeys_that_were_handed_out_are_made_up_for_dev_11() {
    let (mut stage, _) = alice(23);
    let (_, one_time) = count_uploads(&mut stage);
    let lookup = client_frame::Body::Lookup(relay::Lookup { name: "alice".to_owned() });
    let relay_frame::Body::LookupOk(found) = stage.anyone(lookup) else { panic!() };
    let manifest = UnverifiedManifest::decode(&found.manifest).unwrap();
    let device = manifest.device_ids().next().unwrap();
    let mut fetched = 0;
    while fetched < 80 {
        let ask = relay::FetchBundle { address: found.request_address.clone(), device_id: device.to_vec() };
        match stage.anyone(client_frame::Body::FetchBundle(ask)) {
            relay_frame::Body::Bundle(bundle) => fetched += usize::from(!bundle.one_time.is_empty()),
            relay_frame::Body::Error(_) => stage.advance(MINUTE),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(one_time.get(), 0);
    stage.advance(DAY_MS);
    assert_eq!(one_time.get(), 80);
}

#[test]
fn a_relay_that_shows_another_identity_is_found_out_dev_10() {
    let (mut stage, first) = alice(24);
    let bob = stage.add();
    assert_eq!(register(&mut stage, bob, "bob"), Ok(Response::Done));
    let lookup = client_frame::Body::Lookup(relay::Lookup { name: "bob".to_owned() });
    let relay_frame::Body::LookupOk(of_bob) = stage.anyone(lookup) else { panic!() };
    stage.events(first);
    stage.hostile = Some(Box::new(move |_, body: &mut relay_frame::Body| {
        if let relay_frame::Body::LookupOk(answer) = body {
            answer.manifest = of_bob.manifest.clone();
        }
    }));
    stage.advance(DAY_MS);
    let told = stage.events(first);
    let alarms =
        told.iter().filter(|event| matches!(event, EventKind::Trouble { trouble: Trouble::OwnNameMismatch }));
    assert_eq!(alarms.count(), 1);
}

#[test]
fn a_relay_that_withholds_the_chain_is_found_out_dev_6() {
    let (mut stage, first) = alice(25);
    stage.events(first);
    stage.hostile = Some(Box::new(|_, body: &mut relay_frame::Body| {
        if let relay_frame::Body::Manifests(answer) = body {
            answer.manifests.clear();
        }
    }));
    stage.disconnect(first);
    stage.run();
    let told = stage.events(first);
    assert!(
        told.iter()
            .any(|event| matches!(event, EventKind::Trouble { trouble: Trouble::ManifestWithheld { .. } }))
    );
    assert_eq!(status(&mut stage, first).phase, Phase::Active);
}

#[test]
fn a_login_takes_no_chain_that_is_shorter_than_known_dev_2() {
    let (mut stage, first, second) = alice_twice(30);
    let third = stage.add();
    log_in(&mut stage, third, "alice", true);
    stage.advance(30 * MINUTE);
    assert_eq!(status(&mut stage, first).phase, Phase::Stopped { reason: StopReason::Removed });
    stage.hostile = Some(Box::new(|_, body: &mut relay_frame::Body| {
        if let relay_frame::Body::AccountSession(session) = body {
            session.manifests.truncate(2);
        }
    }));
    for who in [first, second] {
        let error = stage.ask(who, log_in_request("alice", PASSWORD, false)).unwrap_err();
        assert_eq!((error.code, error.next.is_empty()), (ErrorCode::Relay, false));
        assert!(matches!(status(&mut stage, who).phase, Phase::Stopped { .. }));
    }
}

#[test]
fn a_refused_login_removes_nobody_whom_the_chain_lists_dev_5() {
    let (mut stage, first) = alice(26);
    stage.events(first);
    stage.hostile = Some(Box::new(|_, body: &mut relay_frame::Body| {
        if let relay_frame::Body::DeviceSession(_) = body {
            let mut error = relay::Error::default();
            error.set_code(relay::ErrorCode::DeviceUnknown);
            *body = relay_frame::Body::Error(error);
        }
    }));
    stage.disconnect(first);
    stage.run();
    let before = status(&mut stage, first);
    assert_eq!((before.phase, before.online), (Phase::Active, false));
    let told = stage.events(first);
    assert!(
        told.iter()
            .any(|event| matches!(event, EventKind::Trouble { trouble: Trouble::RelayRefused { .. } }))
    );
    stage.hostile = None;
    stage.advance(2 * MINUTE);
    assert!(status(&mut stage, first).online);
}

#[test]
fn a_statement_that_this_device_did_not_make_is_ignored_acc_30() {
    let (mut stage, first) = alice(27);
    stage.advance(5 * MINUTE);
    stage.events(first);
    stage.hostile = Some(Box::new(|_, body: &mut relay_frame::Body| {
        if let relay_frame::Body::DeviceSession(session) = body {
            let middle = session.statement.len() / 2;
            session.statement[middle] ^= 1;
        }
    }));
    stage.disconnect(first);
    stage.run();
    let after = status(&mut stage, first);
    assert_eq!((after.phase, after.online), (Phase::Active, true));
    assert!(stage.events(first).iter().any(|event| matches!(event, EventKind::Trouble { .. })));
}

#[test]
fn a_vault_that_the_relay_changed_is_not_taken() {
    let (mut stage, first) = alice(28);
    let before = devices(&mut stage, first).0;
    stage.events(first);
    stage.hostile = Some(Box::new(|_, body: &mut relay_frame::Body| {
        if let relay_frame::Body::RecordOk(relay::RecordOk { record: Some(record) }) = body
            && let Some(byte) = record.value.last_mut()
        {
            *byte ^= 1;
        }
    }));
    stage.disconnect(first);
    stage.run();
    assert_eq!(devices(&mut stage, first).0, before);
    assert!(stage.events(first).iter().any(|event| matches!(event, EventKind::Trouble { .. })));
}

#[test]
fn two_who_talk_go_on_after_one_has_evicted_all_devices_dev_3() {
    let (mut stage, first) = alice(29);
    let bob = stage.add();
    assert_eq!(register(&mut stage, bob, "bob"), Ok(Response::Done));
    let send = |to: &str, text: &str| Request::send(to.parse::<To>().unwrap(), text);
    stage.ask(first, send("bob@relay.test", "hello")).unwrap();
    stage.advance(MINUTE);
    stage.ask(bob, Request::AcceptContact { who: "alice@relay.test".parse().unwrap() }).unwrap();
    stage.advance(MINUTE);
    stage.ask(bob, send("alice@relay.test", "hello yourself")).unwrap();
    stage.advance(MINUTE);
    let second = stage.add();
    log_in(&mut stage, second, "alice", true);
    stage.advance(30 * MINUTE);
    stage.events(second);
    stage.events(bob);
    stage.ask(bob, send("alice@relay.test", "still there?")).unwrap();
    stage.advance(10 * MINUTE);
    stage.ask(second, send("bob@relay.test", "with a new device")).unwrap();
    stage.advance(10 * MINUTE);
    let texts = |events: Vec<EventKind>| -> Vec<String> {
        let text = |event| match event {
            EventKind::Message { message } => match message.body {
                Body::Text { text } => Some(text),
                _ => None,
            },
            _ => None,
        };
        events.into_iter().filter_map(text).collect()
    };
    assert_eq!(texts(stage.events(second)), ["still there?"]);
    assert_eq!(texts(stage.events(bob)), ["with a new device"]);
}

#[test]
fn both_devices_change_the_vault_at_once_and_end_alike_dev_9() {
    let (mut stage, first, second) = alice_twice(19);
    let people = ["bob", "carol"].map(|name| {
        let who = stage.add();
        assert_eq!(register(&mut stage, who, name), Ok(Response::Done));
        name
    });
    for (who, name) in [(first, people[0]), (second, people[1])] {
        stage.command(who, Request::AddContact { address: address(name) });
    }
    stage.advance(5 * MINUTE);
    for who in [first, second] {
        stage.restart(who);
    }
    stage.advance(MINUTE);
    let contacts = [first, second].map(|who| match stage.ask(who, Request::Contacts) {
        Ok(Response::Contacts { contacts }) => {
            contacts.into_iter().map(|contact| contact.id).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    });
    assert_eq!(contacts[0].len(), 2);
    assert_eq!(contacts[0], contacts[1]);
}

#[test]
fn contacts_survive_an_eviction_dev_3() {
    let (mut stage, first) = alice(20);
    let bob = stage.add();
    assert_eq!(register(&mut stage, bob, "bob"), Ok(Response::Done));
    stage.ask(first, Request::AddContact { address: address("bob") }).unwrap();
    stage.advance(MINUTE);
    let second = stage.add();
    log_in(&mut stage, second, "alice", true);
    stage.advance(30 * MINUTE);
    assert_eq!(status(&mut stage, second).phase, Phase::Active);
    let Ok(Response::Contacts { contacts }) = stage.ask(second, Request::Contacts) else { panic!() };
    assert_eq!(contacts.len(), 1);
}

#[test]
fn one_store_holds_one_account() {
    let (mut stage, first) = alice(21);
    let error = stage.ask(first, log_in_request("alice", PASSWORD, false)).unwrap_err();
    assert_eq!(error.code, ErrorCode::AccountExists);
    let error = stage.ask(first, log_in_request("bob", PASSWORD, false)).unwrap_err();
    assert_eq!(error.code, ErrorCode::AccountExists);
}

#[test]
fn an_account_takes_ten_devices_and_says_so() {
    let (mut stage, first) = alice(22);
    for _ in 0..9 {
        let next = stage.add();
        log_in(&mut stage, next, "alice", false);
        let (_, proposal) = devices(&mut stage, first);
        let id = proposal.unwrap().id;
        assert_eq!(stage.ask(first, Request::ConfirmDevice { proposal: id }), Ok(Response::Done));
        stage.advance(30 * MINUTE);
    }
    let next = stage.add();
    let error = stage.ask(next, log_in_request("alice", PASSWORD, false)).unwrap_err();
    assert_eq!((error.code, error.next.is_empty()), (ErrorCode::TooLarge, false));
    assert_eq!(devices(&mut stage, first).0.len(), 10);
}
