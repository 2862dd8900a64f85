//! Crashes, broken connections and a killed relay, anywhere.

use wheesht_core::api::{ContactState, MessageState, Request, Who as Whom};
use wheesht_tests::stage::{Stage, Who};

use crate::people::*;

/// Alice says three things; after every possible number of steps `harm` is done; in the end all is well.
fn harm_everywhere(seed: u64, all_asked: bool, harm: impl Fn(&mut Stage, Who, Who)) {
    let mut quiet = false;
    for steps in 0.. {
        if quiet {
            return;
        }
        let Two { mut stage, alice, bob, alice_id, bob_id } = friends(seed);
        for text in ["one", "two", "three"] {
            stage.command(alice, say("bob", text));
        }
        quiet = (0..steps).any(|_| !stage.step());
        harm(&mut stage, alice, bob);
        stage.advance(5 * MINUTE);
        let said = texts(&mut stage, alice, bob_id);
        // A command that the crash swallowed was not answered.
        assert!(!all_asked || said.len() == 4, "after {steps} steps: {said:?}");
        let said: Vec<_> = said.iter().map(|text| text.trim_start_matches("> ")).collect();
        assert_eq!(texts(&mut stage, bob, alice_id), said, "after {steps} steps");
        assert!(all_delivered(&mut stage, alice, bob_id), "after {steps} steps");
        assert!(notices(&mut stage, bob, alice_id).is_empty(), "after {steps} steps");
    }
}

#[test]
fn a_crash_of_the_sender_anywhere_loses_and_repeats_nothing() {
    harm_everywhere(6, false, |stage, alice, _| stage.restart(alice));
}

#[test]
fn con_1_a_crash_of_the_recipient_anywhere_loses_and_repeats_nothing() {
    harm_everywhere(7, true, |stage, _, bob| stage.restart(bob));
}

#[test]
fn connections_that_break_anywhere_lose_and_repeat_nothing() {
    harm_everywhere(8, true, |stage, alice, bob| {
        stage.disconnect(alice);
        stage.disconnect(bob);
    });
}

#[test]
fn a_relay_killed_anywhere_loses_and_repeats_nothing() {
    harm_everywhere(23, true, |stage, alice, bob| {
        stage.kill_relay(0);
        stage.disconnect(alice);
        stage.disconnect(bob);
    });
}

#[test]
fn a_first_contact_survives_a_crash_of_either_side_anywhere() {
    for steps in (0..90).step_by(3) {
        for crash_alice in [true, false] {
            let Two { mut stage, alice, bob, alice_id, bob_id } = two(9);
            let hello = send(&mut stage, alice, "bob", "hello");
            stage.advance(MINUTE);
            stage.command(bob, Request::AcceptContact { who: Whom::Id(alice_id) });
            for _ in 0..steps {
                stage.step();
            }
            stage.restart(if crash_alice { alice } else { bob });
            stage.advance(2 * MINUTE);
            if contact(&mut stage, bob, "alice").unwrap().state != ContactState::Accepted {
                accept(&mut stage, bob, "alice");
            }
            stage.advance(2 * MINUTE);
            let at = format!("after {steps} steps");
            assert_eq!(contact(&mut stage, alice, "bob").unwrap().state, ContactState::Accepted, "{at}");
            assert_eq!(state(&mut stage, alice, bob_id, hello), MessageState::Delivered, "{at}");
            send(&mut stage, alice, "bob", "and?");
            stage.advance(MINUTE);
            send(&mut stage, bob, "alice", "well");
            stage.advance(MINUTE);
            assert_eq!(texts(&mut stage, bob, alice_id), ["hello", "and?", "> well"], "{at}");
            assert_eq!(texts(&mut stage, alice, bob_id), ["> hello", "> and?", "well"], "{at}");
        }
    }
}
