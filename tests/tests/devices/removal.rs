//! A device is removed: it ends, those that stay go on with other keys, contacts hear of it.

use std::{cell::RefCell, rc::Rc};

use wheesht_core::{
    api::{EventKind, Notice, StopReason},
    proto::{
        limits::DAY_MS,
        relay::{AddressKind, client_frame},
    },
};
use wheesht_tests::stage::people::{Two, friends};

use super::*;

/// Alice, a friend of Bob's, with three devices.
struct Scene {
    two: Two,
    second: Who,
    third: Who,
}

fn three(seed: u64) -> Scene {
    let mut two = friends(seed);
    let second = two.stage.join(two.alice, "alice");
    let third = two.stage.join(two.alice, "alice");
    two.stage.advance(2 * MINUTE);
    Scene { two, second, third }
}

impl Scene {
    /// The second device hears of what the first does, and both talk with Bob, who hears of no third.
    fn goes_on(&mut self, text: &str) {
        let Self { two, second, .. } = self;
        let Two { stage, alice, bob, alice_id, bob_id } = two;
        stage.advance(5 * MINUTE);
        in_step(stage, *alice, *second, text);
        in_step(stage, *second, *alice, &format!("{text}!"));
        stage.send(*bob, "alice", &format!("{text} to all"));
        stage.send(*second, "bob", &format!("{text} from the second"));
        stage.advance(5 * MINUTE);
        for who in [*alice, *second] {
            let texts = stage.texts(who, *bob_id);
            let count = |wanted: String| texts.iter().filter(|one| **one == wanted).count();
            assert_eq!(count(format!("{text} to all")), 1, "{who:?} {texts:?}");
            assert_eq!(count(format!("> {text} from the second")), 1, "{who:?} {texts:?}");
        }
        let texts = stage.texts(*bob, *alice_id);
        assert_eq!(texts.iter().filter(|one| **one == format!("{text} from the second")).count(), 1);
    }
}

#[test]
fn a_removed_device_ends_and_the_others_go_on_dev_13_dev_15() {
    let mut scene = three(901);
    let (alice, second, third) = (scene.two.alice, scene.second, scene.third);
    let stage = &mut scene.two.stage;
    let gone = device(stage, third);
    assert_eq!(
        code(stage.ask(alice, remove_request(gone, "wrong password for this"))),
        ErrorCode::BadCredentials
    );
    in_use(stage, third);
    stage.events(second);
    assert_eq!(stage.ask(alice, remove_request(gone, PASSWORD)), Ok(Response::Done));
    stage.run();
    assert_eq!(stage.phase(third), Phase::Stopped { reason: StopReason::Removed });
    assert!(
        stage
            .events(second)
            .iter()
            .any(|event| matches!(event, EventKind::Devices { removed, .. } if *removed == [gone]))
    );
    stage.advance(2 * MINUTE);
    for who in [alice, second] {
        assert!(!devices(stage, who).iter().any(|device| device.id == gone), "{who:?}");
    }
    let alice_id = scene.two.alice_id;
    let stage = &mut scene.two.stage;
    assert!(stage.notices(scene.two.bob, alice_id).contains(&Notice::DeviceRemoved { device: gone }));
    assert_eq!(stage.troubles(alice), []);
    assert_eq!(stage.troubles(second), []);
    scene.goes_on("after");
    // A new device finds the account as it is now.
    let stage = &mut scene.two.stage;
    let fourth = stage.join(second, "alice");
    in_step(stage, alice, fourth, "seen by the fourth");
    // And once more.
    let gone = device(stage, fourth);
    assert_eq!(stage.ask(second, remove_request(gone, PASSWORD)), Ok(Response::Done));
    stage.run();
    assert_eq!(stage.phase(fourth), Phase::Stopped { reason: StopReason::Removed });
    scene.goes_on("again");
}

#[test]
fn a_crash_or_a_lost_connection_at_any_step_removes_the_device_or_does_not_dev_13() {
    let (mut removed, mut stayed) = (0, 0);
    for steps in (0..48).step_by(3) {
        for crash in [true, false] {
            let mut scene = three(902);
            let (alice, third) = (scene.two.alice, scene.third);
            let stage = &mut scene.two.stage;
            let gone = device(stage, third);
            stage.command(alice, remove_request(gone, PASSWORD));
            for _ in 0..steps {
                stage.step();
            }
            if crash {
                stage.restart(alice);
            } else {
                stage.disconnect(alice);
            }
            stage.advance(2 * MINUTE);
            if stage.phase(third) == Phase::Active {
                stayed += 1;
                in_step(stage, third, alice, "still there");
                assert_eq!(stage.ask(alice, remove_request(gone, PASSWORD)), Ok(Response::Done), "{steps}");
                stage.advance(MINUTE);
            } else {
                removed += 1;
            }
            assert_eq!(stage.phase(third), Phase::Stopped { reason: StopReason::Removed }, "after {steps}");
            scene.goes_on("after");
        }
    }
    assert!(removed > 0 && stayed > 0, "{removed} {stayed}");
}

#[test]
fn two_devices_that_remove_at_once_leave_one_account_dev_13() {
    let mut scene = three(903);
    let (alice, second, third) = (scene.two.alice, scene.second, scene.third);
    let stage = &mut scene.two.stage;
    let gone = device(stage, third);
    let one = stage.command(alice, remove_request(gone, PASSWORD));
    let other = stage.command(second, remove_request(gone, PASSWORD));
    stage.run();
    let answers = [stage.at(alice).answer(one).unwrap(), stage.at(second).answer(other).unwrap()];
    assert!(answers.contains(&Ok(Response::Done)), "{answers:?}");
    stage.advance(2 * MINUTE);
    assert_eq!(stage.phase(third), Phase::Stopped { reason: StopReason::Removed });
    scene.goes_on("after");
    // Each removes the other: one is left.
    let stage = &mut scene.two.stage;
    let (first_id, second_id) = (device(stage, alice), device(stage, second));
    stage.command(alice, remove_request(second_id, PASSWORD));
    stage.command(second, remove_request(first_id, PASSWORD));
    stage.advance(2 * MINUTE);
    let active = [alice, second].map(|who| stage.phase(who) == Phase::Active);
    assert_eq!(active.iter().filter(|active| **active).count(), 1);
}

#[test]
fn a_device_that_was_away_finds_the_other_keys_when_it_is_back_dev_15() {
    let mut scene = three(904);
    let (alice, second, third) = (scene.two.alice, scene.second, scene.third);
    let stage = &mut scene.two.stage;
    let gone = device(stage, third);
    stage.set_offline(second, true);
    assert_eq!(stage.ask(alice, remove_request(gone, PASSWORD)), Ok(Response::Done));
    stage.advance(3 * DAY_MS);
    stage.restart(second);
    stage.set_offline(second, false);
    stage.advance(5 * MINUTE);
    scene.goes_on("back");
}

#[test]
fn the_last_that_knew_the_keys_may_die_and_the_password_gives_them_dev_14() {
    let mut scene = three(905);
    let (alice, second, third) = (scene.two.alice, scene.second, scene.third);
    let stage = &mut scene.two.stage;
    let (dead, gone) = (device(stage, alice), device(stage, third));
    // The first device removes the third, and is never seen again before the second hears of anything.
    stage.set_offline(second, true);
    let id = stage.command(alice, remove_request(gone, PASSWORD));
    while stage.at(alice).answer(id).is_none() {
        assert!(stage.step());
    }
    stage.set_offline(alice, true);
    stage.advance(MINUTE);
    stage.set_offline(second, false);
    stage.advance(2 * MINUTE);
    assert_eq!(stage.ask(second, remove_request(dead, PASSWORD)), Ok(Response::Done));
    stage.advance(5 * MINUTE);
    let fourth = stage.join(second, "alice");
    in_step(stage, second, fourth, "alive");
    let (bob, alice_id) = (scene.two.bob, scene.two.alice_id);
    let stage = &mut scene.two.stage;
    stage.send(second, "bob", "from the second");
    stage.advance(5 * MINUTE);
    assert!(stage.texts(bob, alice_id).contains(&"from the second".to_owned()));
}

#[test]
fn what_the_removed_device_could_reach_or_write_is_replaced_or_closed_dev_16_dev_17() {
    let mut scene = three(906);
    let (alice, second, third) = (scene.two.alice, scene.second, scene.third);
    let stage = &mut scene.two.stage;
    let gone = device(stage, third);
    let (opened, closed, ended) =
        <(Rc<RefCell<Vec<_>>>, Rc<RefCell<Vec<_>>>, Rc<RefCell<Vec<_>>>)>::default();
    let (see_opened, see_closed, see_ended) = (Rc::clone(&opened), Rc::clone(&closed), Rc::clone(&ended));
    stage.watch = Some(Box::new(move |who, body| match body {
        client_frame::Body::PutAddress(put) if put.kind() == AddressKind::Contact => {
            see_opened.borrow_mut().push((who, put.address.clone()));
        }
        client_frame::Body::CloseAddress(close) => see_closed.borrow_mut().push((who, close.address.clone())),
        client_frame::Body::PutRecord(put) => {
            let record = put.record.as_ref().unwrap();
            if !record.next_write_key.is_empty() {
                see_ended.borrow_mut().push(record.id.clone());
            }
        }
        _ => {}
    }));
    assert_eq!(stage.ask(alice, remove_request(gone, PASSWORD)), Ok(Response::Done));
    stage.advance(3 * MINUTE);
    // Both that stay have another address, and the old ones stay for own devices that are away.
    assert_eq!(closed.borrow().len(), 0);
    stage.advance(8 * DAY_MS);
    for who in [alice, second] {
        assert_eq!(opened.borrow().iter().filter(|(one, _)| *one == who).count(), 1, "{who:?}");
        assert_eq!(closed.borrow().iter().filter(|(one, _)| *one == who).count(), 1, "{who:?}");
    }
    // The groups of the vault that stood, and the address book.
    let mut ended = ended.borrow().clone();
    ended.sort();
    ended.dedup();
    assert!(ended.len() >= 3, "{}", ended.len());
    stage.watch = None;
    scene.goes_on("after");
}

#[test]
fn a_device_does_not_remove_itself_nor_what_is_not_there() {
    let mut scene = three(907);
    let (alice, third) = (scene.two.alice, scene.third);
    let stage = &mut scene.two.stage;
    let own = device(stage, alice);
    assert_eq!(code(stage.ask(alice, remove_request(own, PASSWORD))), ErrorCode::Invalid);
    assert_eq!(code(stage.ask(alice, remove_request(DeviceId::new([9; 16]), PASSWORD))), ErrorCode::NotFound);
    let rename = Request::RenameDevice { device: DeviceId::new([9; 16]), label: "x".to_owned() };
    assert_eq!(code(stage.ask(alice, rename)), ErrorCode::NotFound);
    in_use(stage, third);
}

#[test]
fn each_group_gets_another_address_gro_30() {
    let Scene { mut two, second, third } = three(908);
    let Two { stage, alice, .. } = &mut two;
    let alice = *alice;
    let create = Request::CreateGroup {
        title: "walkers".to_owned(),
        about: String::new(),
        picture: None,
        policy: None,
    };
    assert!(matches!(stage.ask(alice, create), Ok(Response::Group { .. })));
    stage.advance(5 * MINUTE);
    let opened: Rc<RefCell<Vec<Who>>> = Rc::default();
    let seen = Rc::clone(&opened);
    stage.watch = Some(Box::new(move |who, body| match body {
        client_frame::Body::PutAddress(put) if put.kind() == AddressKind::Group => {
            seen.borrow_mut().push(who)
        }
        _ => {}
    }));
    let gone = device(stage, third);
    assert_eq!(stage.ask(alice, remove_request(gone, PASSWORD)), Ok(Response::Done));
    stage.advance(5 * MINUTE);
    let mut opened = opened.borrow().clone();
    opened.sort();
    assert_eq!(opened, [alice, second]);
}
