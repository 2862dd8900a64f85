//! A hostile member, trick by trick: each test says what the member does.
//!
//! It is a member's installation like any other, whose keys are used by hand, or whose engine is made to say what it never would
//! ([`wheesht_tests::stage::tamper`]). What is expected is always the same: the others take nothing over that isn't its to say, and
//! go on talking.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may; clippy knows that of test functions only"
)]

mod floods;
mod joining;
mod keys;
mod speech;
mod state;
mod strangers;

use wheesht_core::proto::{
    content::{Text, content::Body},
    group::GroupUpdate,
    ids::AccountId,
};
use wheesht_tests::stage::{
    Stage, Who,
    groups::{Circle, circle},
    people::MINUTE,
};

fn text(body: &str) -> Body {
    Body::Text(Text { body: body.to_owned(), ..Default::default() })
}

fn changes(changes: Vec<Vec<u8>>) -> Body {
    Body::GroupUpdate(GroupUpdate { changes, ..Default::default() })
}

/// Nobody among them shows this.
fn nobody_heard(stage: &mut Stage, all: &[Who], circle: wheesht_core::proto::ids::GroupId, words: &str) {
    stage.advance(5 * MINUTE);
    for who in all {
        let heard = stage.heard(*who, circle);
        assert!(!heard.iter().any(|text| text.contains(words)), "{who:?}: {heard:?}");
    }
}

/// The circle, and Dave, who is Alice's contact and belongs too.
fn four(seed: u64) -> (Circle, Who, AccountId) {
    let mut circle = circle(seed);
    let dave = circle.stage.register("dave");
    circle.stage.befriend((circle.alice, "alice"), (dave, "dave"));
    circle.stage.bring(circle.alice, circle.id, (dave, "dave"));
    circle.stage.say(dave, circle.id, "here too");
    circle.stage.advance(5 * MINUTE);
    let account = circle.stage.account(dave);
    (circle, dave, account)
}
