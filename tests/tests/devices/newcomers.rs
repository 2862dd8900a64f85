//! What others make of a device that has just joined.

use wheesht_core::proto::relay::{Error as RelayError, ErrorCode as RelayCode, client_frame, relay_frame};
use wheesht_tests::{
    hostile::{Asked, Hostile, Victim},
    stage::people::{Two, friends},
};

use super::*;

/// A relay that has no time for one installation's look-ups.
struct Busy(Victim);

impl Hostile for Busy {
    fn asked(&mut self, victim: Victim, question: client_frame::Body) -> Asked {
        let looks = matches!(question, client_frame::Body::Lookup(_) | client_frame::Body::GetManifests(_));
        if victim != self.0 || !looks {
            return Asked::Serve(question);
        }
        let mut error = RelayError { retry_after_ms: 1_000, ..Default::default() };
        error.set_code(RelayCode::Unavailable);
        Asked::Answer(relay_frame::Body::Error(error))
    }
}

#[test]
fn what_a_contacts_new_device_sent_is_read_after_a_restart_con_2() {
    let Two { mut stage, alice, bob, bob_id, .. } = friends(971);
    stage.hostile = Some(Box::new(Busy(alice.0)));
    let second = stage.join(bob, "bob");
    stage.send(second, "alice", "from the new one");
    stage.advance(MINUTE);
    assert!(!stage.texts(alice, bob_id).contains(&"from the new one".to_owned()));
    stage.hostile = None;
    stage.restart(alice);
    stage.advance(3 * MINUTE);
    assert!(stage.texts(alice, bob_id).contains(&"from the new one".to_owned()));
}
