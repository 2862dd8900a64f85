//! What a hostile member says: in others' names, elsewhere, again, and after it has gone. Carol is the hostile one.

use wheesht_core::{
    api::{ConversationId, Policy},
    proto::{
        group::{GroupInside, group_control::What, group_inside},
        ids::DeviceId,
        prost::Message as _,
        relay::{Deliver, relay_frame},
    },
    protocol::group::{Inside, MessageContext, OuterKey, SenderChain, UnverifiedGroupMessage, outer},
};
use wheesht_tests::{
    hostile::{Hostile, Victim},
    stage::{
        Stage, Who,
        groups::{Circle, circle},
        people::MINUTE,
    },
};

use super::{four, nobody_heard, text};

/// The newest message of a device that was pushed to somebody, as whoever holds the outer key sees it.
fn overheard(stage: &Stage, by: Who, key: &OuterKey, of: DeviceId) -> UnverifiedGroupMessage {
    let pushed = stage.pushed().into_iter().rev().filter(|(who, _)| *who == by);
    let opened = pushed.filter_map(|(_, deliver)| outer::open(key, &deliver.envelope).ok());
    let mut messages = opened.filter_map(|inside| match inside {
        Inside::Message(message) if message.device() == of => Some(message),
        _ => None,
    });
    messages.next().expect("it was pushed")
}

#[test]
fn what_is_made_by_hand_is_heard_if_it_is_genuine() {
    let Circle { mut stage, alice, bob, carol, id } = circle(600);
    let mut spoils = stage.spoils(carol, id);
    let (context, key, addresses) = (spoils.context(), spoils.outer.1.clone(), spoils.addresses());
    stage.utter(&mut spoils.chain, &context, &key, &addresses, text("by hand"));
    stage.advance(MINUTE);
    let carol_id = stage.account(carol);
    for who in [alice, bob] {
        assert!(stage.said(who, id).contains(&(carol_id, "by hand".to_owned())), "{who:?}");
    }
    stage.shout(carol, id, text("by her engine"));
    // Its chain is where it was: what the hand has said takes its place, so it comes in the next one.
    stage.shout(carol, id, text("by her engine again"));
    stage.advance(MINUTE);
    assert!(stage.said(alice, id).contains(&(carol_id, "by her engine again".to_owned())));
}

#[test]
fn grm_19_speaks_as_another_s_device() {
    let Circle { mut stage, alice, bob, carol, id } = circle(601);
    let bob_id = stage.account(bob);
    let mut spoils = stage.spoils(carol, id);
    let as_bob = MessageContext { device: spoils.leaf_of(bob_id).device(), ..spoils.context() };
    let (key, addresses) = (spoils.outer.1.clone(), spoils.addresses());
    stage.utter(&mut spoils.chain, &as_bob, &key, &addresses, text("I, Bob, pay"));
    nobody_heard(&mut stage, &[alice, bob], id, "I, Bob, pay");
    Circle { stage, alice, bob, carol, id }.go_on();
}

#[test]
fn grm_7_speaks_in_another_s_chain() {
    let Circle { mut stage, alice, bob, carol, id } = circle(602);
    let bob_id = stage.account(bob);
    let mut spoils = stage.spoils(carol, id);
    let device = spoils.leaf_of(bob_id).device();
    let (key, addresses) = (spoils.outer.1.clone(), spoils.addresses());
    // Every member holds Bob's chain. What she lacks is the key that signs.
    stage.say(bob, id, "a genuine word");
    stage.advance(MINUTE);
    let genuine = overheard(&stage, carol, &key, device);
    let as_bob = MessageContext { device, ..spoils.context() };
    let content = stage.content(text("I, Bob, pay")).encode_to_vec();
    let own = spoils.chain.encrypt(&as_bob, &content).unwrap();
    let wire = |message: &UnverifiedGroupMessage| {
        let inside = GroupInside::decode(Inside::Message(message.clone()).encode().as_slice()).unwrap();
        let Some(group_inside::What::Message(message)) = inside.what else { panic!() };
        message
    };
    let mut mixed = wire(&own);
    (mixed.chain_id, mixed.count) = (wire(&genuine).chain_id, genuine.count() + 1);
    let mixed = GroupInside { what: Some(group_inside::What::Message(mixed)) }.encode_to_vec();
    stage.seal_and_drop_in(&Inside::decode(&mixed).unwrap(), &key, &addresses);
    nobody_heard(&mut stage, &[alice, bob], id, "I, Bob, pay");
    Circle { stage, alice, bob, carol, id }.go_on();
}

#[test]
fn grm_13_replaces_its_chain_and_gives_dozens() {
    let Circle { mut stage, alice, bob, carol, id } = circle(603);
    let (alice_id, spoils) = (stage.account(alice), stage.spoils(carol, id));
    let mut rng = <chacha20::ChaCha20Rng as rand_core::SeedableRng>::seed_from_u64(9);
    let fresh = SenderChain::begin(None, stage.now, &mut rng);
    // The same name for another chain.
    let mut bytes = fresh.encode();
    bytes[1..17].copy_from_slice(spoils.chain.id().as_ref());
    let mut replaced = SenderChain::decode(&bytes).unwrap();
    stage.whisper(carol, id, alice_id, vec![What::Chain(replaced.key_now())]);
    stage.advance(MINUTE);
    let context = spoils.context();
    stage.utter(&mut replaced, &context, &spoils.outer.1, &spoils.addresses(), text("two-tongued"));
    nobody_heard(&mut stage, &[alice, bob], id, "two-tongued");
    stage.say(carol, id, "one tongue");
    stage.advance(MINUTE);
    assert!(stage.heard(alice, id).contains(&"one tongue".to_owned()));
    // A chain for each hour of the day: the newest few are kept, hers of before are not. Whoever lacks one asks for it.
    let dozens =
        (0..24).map(|_| What::Chain(SenderChain::begin(None, stage.now, &mut rng).key_now())).collect();
    stage.whisper(carol, id, alice_id, dozens);
    stage.advance(5 * MINUTE);
    stage.say(carol, id, "her own loss");
    stage.advance(5 * MINUTE);
    stage.say(carol, id, "and all is well");
    for (who, words) in [(alice, "as before"), (bob, "as ever")] {
        stage.say(who, id, words);
    }
    stage.advance(5 * MINUTE);
    let heard = stage.heard(alice, id);
    for words in ["and all is well", "as ever"] {
        assert!(heard.contains(&words.to_owned()), "{heard:?}");
    }
    assert!(stage.heard(carol, id).contains(&"as before".to_owned()));
}

#[test]
fn grm_6_grm_21_replays_a_message_and_puts_it_into_another_group() {
    let Circle { mut stage, alice, bob, carol, id } = circle(604);
    let second = stage.found(alice, "Climbers", Policy::default());
    for (who, name) in [(bob, "bob"), (carol, "carol")] {
        stage.bring(alice, second, (who, name));
    }
    for who in [alice, bob, carol] {
        stage.say(who, second, "there");
        stage.advance(MINUTE);
    }
    let bob_id = stage.account(bob);
    let (here, there) = (stage.spoils(carol, id), stage.spoils(carol, second));
    let device = here.leaf_of(bob_id).device();
    stage.say(bob, id, "between us hikers");
    stage.advance(MINUTE);
    let message = Inside::Message(overheard(&stage, carol, &here.outer.1, device));
    for _ in 0..3 {
        stage.seal_and_drop_in(&message, &here.outer.1, &here.addresses());
        stage.seal_and_drop_in(&message, &there.outer.1, &there.addresses());
        stage.advance(MINUTE);
        stage.restart(alice);
    }
    nobody_heard(&mut stage, &[alice, bob, carol], second, "between us");
    let heard = stage.heard(alice, id);
    assert_eq!(heard.iter().filter(|text| text.contains("between us")).count(), 1, "{heard:?}");
    Circle { stage, alice, bob, carol, id: second }.go_on();
}

/// Keeps from Alice what is pushed through a group's address, while told so.
struct Withholds(std::rc::Rc<std::cell::Cell<bool>>);

impl Hostile for Withholds {
    fn pushed(&mut self, victim: Victim, push: relay_frame::Body) -> Vec<relay_frame::Body> {
        match push {
            relay_frame::Body::Deliver(Deliver { ref envelope, .. })
                if victim == 0 && self.0.get() && outer::is_group_envelope(envelope) =>
            {
                Vec::new()
            }
            push => vec![push],
        }
    }
}

#[test]
fn grm_6_seals_another_s_message_under_a_later_epoch() {
    let (Circle { mut stage, alice, bob, carol, id }, ..) = four(605);
    let bob_id = stage.account(bob);
    let before = stage.spoils(carol, id);
    let withholds = std::rc::Rc::new(std::cell::Cell::new(true));
    // The relay helps her: Alice hasn't seen it.
    stage.hostile = Some(Box::new(Withholds(withholds.clone())));
    stage.say(bob, id, "said before");
    stage.advance(MINUTE);
    let message = Inside::Message(overheard(&stage, carol, &before.outer.1, before.leaf_of(bob_id).device()));
    withholds.set(false);
    stage.remove(alice, id, "dave");
    stage.advance(5 * MINUTE);
    stage.say(carol, id, "still here");
    stage.advance(MINUTE);
    let after = stage.spoils(carol, id);
    assert_eq!(after.outer.0, 2);
    stage.seal_and_drop_in(&message, &after.outer.1, &after.addresses());
    nobody_heard(&mut stage, &[alice], id, "said before");
    stage.hostile = None;
    stage.disconnect(alice);
    stage.advance(5 * MINUTE);
    let heard = stage.heard(alice, id);
    assert_eq!(heard.iter().filter(|text| *text == "said before").count(), 1, "{heard:?}");
    Circle { stage, alice, bob, carol, id }.go_on();
}

#[test]
fn grm_19_grp_28_haunts_a_group_that_it_was_removed_from() {
    let (Circle { mut stage, alice, bob, carol, id }, dave, dave_id) = four(606);
    let (bob_id, mut spoils) = (stage.account(bob), stage.spoils(dave, id));
    let (context, key, addresses) = (spoils.context(), spoils.outer.1.clone(), spoils.addresses());
    stage.remove(alice, id, "dave");
    stage.advance(5 * MINUTE);
    // In its chain, under the key that it had; then in a chain given anew; and with a change of its own.
    stage.utter(&mut spoils.chain, &context, &key, &addresses, text("boo from the chain"));
    let mut rng = <chacha20::ChaCha20Rng as rand_core::SeedableRng>::seed_from_u64(9);
    let mut fresh = SenderChain::begin(Some(&spoils.chain), stage.now, &mut rng);
    let alice_id = stage.account(alice);
    stage.whisper(dave, id, alice_id, vec![What::Chain(fresh.key_now())]);
    stage.utter(&mut fresh, &context, &key, &addresses, text("boo from a new chain"));
    let forged = spoils.forge(Vec::new(), stage.now.as_millis(), |_| {});
    let body = super::changes(vec![forged]);
    stage.utter(&mut spoils.chain, &context, &key, &addresses, body);
    nobody_heard(&mut stage, &[alice, bob, carol], id, "boo");
    // What is said now is not its to read: no chain and no key of it went to its address.
    stage.say(bob, id, "alone at last");
    stage.advance(5 * MINUTE);
    let after = stage.spoils(bob, id);
    assert!(after.leaves.iter().all(|leaf| leaf.identity() != dave_id));
    assert_ne!(after.outer.0, spoils.outer.0);
    assert!(!stage.heard(dave, id).iter().any(|text| text.contains("alone")));
    assert!(stage.said(alice, id).contains(&(bob_id, "alone at last".to_owned())));
    Circle { stage, alice, bob, carol, id }.go_on();
}

#[test]
fn con_6_takes_the_id_of_another_member_s_message() {
    let Circle { mut stage, alice, bob, carol, id } = circle(607);
    let bob_id = stage.account(bob);
    let message = stage.say(bob, id, "Bob's own words");
    stage.advance(MINUTE);
    let mut spoils = stage.spoils(carol, id);
    let (context, key, addresses) = (spoils.context(), spoils.outer.1.clone(), spoils.addresses());
    for words in ["Carol's first", "Carol's second"] {
        let mut content = stage.content(text(words));
        content.message_id = message.to_vec();
        let encrypted = spoils.chain.encrypt(&context, &content.encode_to_vec()).unwrap();
        stage.seal_and_drop_in(&Inside::Message(encrypted), &key, &addresses);
        stage.advance(MINUTE);
    }
    // Each author has an id once; nobody's hides another's.
    let carol_id = stage.account(carol);
    let all = stage.history(alice, ConversationId::Group(id));
    let of = |author| all.iter().filter(|one| one.id == message && one.sender == author).count();
    assert_eq!((of(bob_id), of(carol_id)), (1, 1));
    let heard = stage.heard(alice, id);
    assert!(heard.contains(&"Bob's own words".to_owned()), "{heard:?}");
    assert!(!heard.contains(&"Carol's second".to_owned()), "{heard:?}");
}
