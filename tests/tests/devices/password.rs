//! The password is changed.

use wheesht_tests::stage::people::friends;

use super::*;

#[test]
fn the_new_password_counts_and_the_old_one_does_not_pwd_8() {
    let mut two = friends(911);
    let second = two.stage.join(two.alice, "alice");
    let (stage, alice) = (&mut two.stage, two.alice);
    assert_eq!(code(stage.ask(alice, change("wrong password for this", NEW))), ErrorCode::BadCredentials);
    assert_eq!(code(stage.ask(alice, change(PASSWORD, "password1"))), ErrorCode::WeakPassword);
    assert_eq!(stage.ask(alice, change(PASSWORD, NEW)), Ok(Response::Done));
    stage.advance(MINUTE);
    assert_eq!(code(log_in(stage, "alice", PASSWORD)), ErrorCode::BadCredentials);
    assert!(log_in(stage, "alice", NEW).is_ok());
    // The devices stay, also over restarts.
    for who in [alice, second] {
        stage.restart(who);
    }
    stage.advance(MINUTE);
    in_step(stage, alice, second, "as before");
    // What the new password opens is the account itself.
    let gone = device(stage, second);
    assert_eq!(code(stage.ask(alice, remove_request(gone, PASSWORD))), ErrorCode::BadCredentials);
    assert_eq!(stage.ask(alice, remove_request(gone, NEW)), Ok(Response::Done));
}

#[test]
fn the_change_given_again_is_done_pwd_9() {
    let mut two = friends(912);
    let (stage, alice) = (&mut two.stage, two.alice);
    assert_eq!(stage.ask(alice, change(PASSWORD, NEW)), Ok(Response::Done));
    assert_eq!(stage.ask(alice, change(PASSWORD, NEW)), Ok(Response::Done));
    assert_eq!(
        code(stage.ask(alice, change(PASSWORD, "another orbit never seen before"))),
        ErrorCode::BadCredentials
    );
}

#[test]
fn a_lost_connection_at_any_step_leaves_one_of_the_two_and_the_same_command_ends_it_pwd_9() {
    let mut said = 0;
    for steps in 0..24 {
        let mut two = friends(913);
        let (stage, alice) = (&mut two.stage, two.alice);
        let id = stage.command(alice, change(PASSWORD, NEW));
        for _ in 0..steps {
            stage.step();
        }
        stage.disconnect(alice);
        stage.run();
        if let Err(error) = stage.at(alice).answer(id).expect("an answer") {
            assert_eq!((error.code, error.next.is_empty()), (ErrorCode::Network, false), "{steps}");
            said += 1;
        }
        stage.advance(MINUTE);
        let one = [PASSWORD, NEW].map(|password| log_in(stage, "alice", password).is_ok());
        assert_eq!(one.iter().filter(|one| **one).count(), 1, "after {steps} steps");
        stage.advance(MINUTE);
        assert_eq!(stage.ask(alice, change(PASSWORD, NEW)), Ok(Response::Done), "after {steps} steps");
        assert!(log_in(stage, "alice", NEW).is_ok(), "after {steps} steps");
    }
    assert!(said > 0);
}

#[test]
fn a_request_to_join_made_with_the_old_password_is_over_rel_65() {
    let mut two = friends(914);
    let (stage, alice) = (&mut two.stage, two.alice);
    let thief = stage.add();
    let request = Request::LogIn {
        address: address("alice"),
        password: Password::new(PASSWORD),
        device: "thief's".to_owned(),
        evict: true,
    };
    assert!(stage.ask(thief, request).is_ok());
    assert_eq!(stage.ask(alice, change(PASSWORD, NEW)), Ok(Response::Done));
    stage.advance(90 * MINUTE);
    in_use(stage, alice);
    assert!(matches!(stage.phase(thief), Phase::Stopped { .. }));
    assert!(log_in(stage, "alice", NEW).is_ok());
}
