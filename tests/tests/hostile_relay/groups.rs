//! Lies about groups: their record, their members' devices, and what is delivered at their addresses.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use wheesht_core::{
    api::{Policy, Role, Trouble},
    proto::{
        ids::GroupId,
        relay::{
            self, Deliver, ErrorCode as Refusal, LookupOk, Record, RecordOk, client_frame, relay_frame::Body,
        },
    },
    protocol::group::outer,
};
use wheesht_tests::{
    hostile::{Asked, Hostile, Victim, refusal},
    stage::{
        Stage, Who,
        groups::{Circle, circle},
        people::MINUTE,
    },
};

use super::{behave, lie, shared};

const DAY: u64 = 24 * 60 * MINUTE;

/// The id of the group's record.
fn record_of(stage: &mut Stage, who: Who, id: GroupId) -> Vec<u8> {
    stage.spoils(who, id).state.record().id.to_vec()
}

/// The relay behaves again.
fn mend(circle: &mut Circle) {
    let all = circle.all();
    behave(&mut circle.stage, &all);
}

fn titles(circle: &mut Circle) -> Vec<String> {
    let (all, id) = (circle.all(), circle.id);
    all.into_iter().map(|who| circle.stage.group(who, id).group.title).collect()
}

#[test]
fn grp_26_rolls_a_group_s_record_back() {
    let mut circle = circle(501);
    let (alice, bob, id) = (circle.alice, circle.bob, circle.id);
    let place = record_of(&mut circle.stage, alice, id);
    let (mine, back) = shared::<bool>();
    let mut first = None::<Record>;
    lie(&mut circle.stage, move |_, _, answer| {
        if let Body::RecordOk(RecordOk { record: Some(record) }) = answer
            && record.id == place
        {
            let old = first.get_or_insert_with(|| record.clone()).clone();
            if *mine.borrow() {
                *record = old;
            }
        }
    });
    // Everybody has seen the record before the change and after it.
    for _ in 0..2 {
        for who in circle.all() {
            circle.stage.restart(who);
            circle.stage.advance(MINUTE);
        }
        circle.stage.rename(alice, id, "Climbers");
        circle.stage.advance(5 * MINUTE);
        circle.stage.rename(alice, id, "Swimmers");
        circle.stage.advance(5 * MINUTE);
    }
    circle.stage.restart(bob);
    circle.stage.advance(MINUTE);
    circle.stage.troubles(bob);
    *back.borrow_mut() = true;
    circle.stage.restart(bob);
    circle.stage.advance(MINUTE);
    let troubles = circle.stage.troubles(bob);
    assert!(troubles.contains(&Trouble::GroupRecordOld { group: id }), "{troubles:?}");
    assert_eq!(titles(&mut circle), ["Swimmers"; 3]);
    // Who would write on top of what is old is refused by the relay itself, and doesn't ask it as fast as it answers.
    circle.stage.rename(alice, id, "Divers");
    circle.stage.advance(60 * MINUTE);
    assert_eq!(circle.stage.group(alice, id).group.pending.len(), 1);
    mend(&mut circle);
    circle.stage.advance(30 * MINUTE);
    assert_eq!(titles(&mut circle), ["Divers"; 3]);
    circle.go_on();
}

#[test]
fn withholds_a_group_s_record() {
    let mut circle = circle(502);
    let (alice, id) = (circle.alice, circle.id);
    let place = record_of(&mut circle.stage, alice, id);
    lie(&mut circle.stage, move |_, question, answer| {
        if matches!(question, client_frame::Body::GetRecord(asked) if asked.id == place) {
            *answer = refusal(Refusal::NotFound, 0);
        }
    });
    circle.stage.rename(alice, id, "Climbers");
    circle.stage.advance(30 * MINUTE);
    // It waits, and the person is told; meanwhile everybody talks.
    assert_eq!(circle.stage.group(alice, id).group.pending.len(), 1);
    let troubles = circle.stage.troubles(alice);
    let told =
        |trouble: &Trouble| matches!(trouble, Trouble::GroupRecordUnreachable { group, .. } if *group == id);
    assert!(troubles.iter().any(told), "{troubles:?}");
    circle.go_on();
    assert_eq!(titles(&mut circle), ["Hikers"; 3]);
    // An owner doesn't have to wait for it.
    let relay = circle.stage.group(alice, id).group.relay.unwrap();
    circle.stage.change(alice, wheesht_core::api::Request::MoveGroup { group: id, relay });
    circle.stage.advance(90 * MINUTE);
    assert_eq!(titles(&mut circle), ["Climbers"; 3]);
    mend(&mut circle);
    circle.stage.advance(30 * MINUTE);
    assert_eq!(titles(&mut circle), ["Climbers"; 3]);
    circle.go_on();
}

/// Says of every write of a record that another came first.
struct Conflicts {
    place: Vec<u8>,
    writes: Rc<RefCell<u32>>,
}

impl Hostile for Conflicts {
    fn asked(&mut self, _: Victim, question: client_frame::Body) -> Asked {
        match &question {
            client_frame::Body::PutRecord(put)
                if put.record.as_ref().is_some_and(|record| record.id == self.place) =>
            {
                *self.writes.borrow_mut() += 1;
                Asked::Answer(refusal(Refusal::Conflict, 0))
            }
            _ => Asked::Serve(question),
        }
    }
}

#[test]
fn claims_conflicts_over_a_group_s_record_without_end() {
    let mut circle = circle(503);
    let (alice, id) = (circle.alice, circle.id);
    let place = record_of(&mut circle.stage, alice, id);
    let (mine, writes) = shared::<u32>();
    circle.stage.hostile = Some(Box::new(Conflicts { place, writes: mine }));
    circle.stage.rename(alice, id, "Climbers");
    circle.stage.advance(60 * MINUTE);
    assert!((2..100).contains(&*writes.borrow()), "{}", writes.borrow());
    mend(&mut circle);
    circle.stage.advance(60 * MINUTE);
    assert_eq!(titles(&mut circle), ["Climbers"; 3]);
    circle.go_on();
}

#[test]
fn invents_a_member_with_another_group_s_record() {
    let mut circle = circle(504);
    let (alice, id) = (circle.alice, circle.id);
    // An accomplice with a group of his own, in which he is all that he wants to be.
    let mallory = circle.stage.register("mallory");
    let own = circle.stage.found(mallory, "Hikers", Policy::default());
    circle.stage.say(mallory, own, "me");
    circle.stage.advance(MINUTE);
    let (place, other) =
        (record_of(&mut circle.stage, alice, id), record_of(&mut circle.stage, mallory, own));
    let get = client_frame::Body::GetRecord(relay::GetRecord { id: other });
    let Body::RecordOk(RecordOk { record: Some(his) }) = circle.stage.anyone(get) else { panic!() };
    lie(&mut circle.stage, move |_, question, answer| {
        if matches!(question, client_frame::Body::GetRecord(asked) if asked.id == place) {
            // As it is, or passed off as the one that was asked for.
            let id = if asked_even() { his.id.clone() } else { place.clone() };
            *answer = Body::RecordOk(RecordOk { record: Some(Record { id, ..his.clone() }) });
        }
    });
    for who in circle.all() {
        circle.stage.restart(who);
        circle.stage.advance(20 * MINUTE);
    }
    for who in circle.all() {
        assert_eq!(circle.stage.members(who, id), ["alice", "bob", "carol"]);
    }
    circle.go_on();
    assert!(circle.stage.heard(mallory, own).iter().all(|text| text == "me"));
    mend(&mut circle);
    circle.stage.rename(alice, id, "Climbers");
    circle.go_on();
}

thread_local! {
    static ASKED: Cell<bool> = const { Cell::new(false) };
}

/// Every other time.
fn asked_even() -> bool {
    ASKED.replace(!ASKED.get())
}

#[test]
fn invents_a_device_of_a_member() {
    let mut circle = circle(505);
    let (alice, id) = (circle.alice, circle.id);
    let mallory = circle.stage.register("mallory");
    let his = super::look_up(&mut circle.stage, "mallory");
    let dave = circle.stage.register("dave");
    circle.stage.befriend((alice, "alice"), (dave, "dave"));
    // Who asks for Bob or Dave is shown Mallory's manifest.
    lie(&mut circle.stage, move |_, question, answer| {
        if let (client_frame::Body::Lookup(asked), Body::LookupOk(found)) = (question, answer)
            && matches!(asked.name.as_str(), "bob" | "dave")
        {
            *found = his.clone();
        }
    });
    circle.stage.bring(alice, id, (dave, "dave"));
    for who in circle.all() {
        circle.stage.restart(who);
    }
    circle.stage.advance(2 * DAY);
    circle.go_on();
    for who in circle.all() {
        let members = circle.stage.group(who, id).members;
        assert_eq!(members.len(), 4);
        assert!(members.iter().all(|member| member.devices == 1), "{members:?}");
    }
    let mallory_id = circle.stage.account(mallory);
    let leaves = circle.stage.spoils(circle.bob, id).leaves;
    assert!(leaves.iter().all(|leaf| leaf.identity() != mallory_id));
}

#[test]
fn serves_a_stale_manifest_of_a_member() {
    let mut circle = circle(506);
    let (alice, bob, carol, id) = (circle.alice, circle.bob, circle.carol, circle.id);
    let mut first = BTreeMap::<String, LookupOk>::new();
    lie(&mut circle.stage, move |victim, question, answer| {
        if let (client_frame::Body::Lookup(asked), Body::LookupOk(found)) = (question, answer)
            && victim != 1
        {
            *found = first.entry(asked.name.clone()).or_insert_with(|| found.clone()).clone();
        }
    });
    // Everybody has looked once.
    circle.stage.advance(2 * DAY);
    circle.stage.say(alice, id, "before");
    circle.stage.advance(5 * MINUTE);
    let second = circle.stage.join(bob, "bob");
    circle.stage.advance(2 * DAY);
    circle.stage.say(second, id, "from the second");
    circle.stage.advance(5 * MINUTE);
    circle.stage.say(alice, id, "to both of Bob's");
    circle.stage.advance(30 * MINUTE);
    for who in [alice, carol] {
        assert!(circle.stage.heard(who, id).contains(&"from the second".to_owned()), "{who:?}");
    }
    for who in [bob, second] {
        assert!(circle.stage.heard(who, id).contains(&"to both of Bob's".to_owned()), "{who:?}");
    }
    behave(&mut circle.stage, &[alice, bob, carol, second]);
    circle.go_on();
}

/// Tells Bob another history than everybody else: his writes of one record seem to be taken, and it never changes.
struct Splits {
    place: Vec<u8>,
    stands: Option<Record>,
    apart: Rc<Cell<bool>>,
}

impl Hostile for Splits {
    fn asked(&mut self, victim: Victim, question: client_frame::Body) -> Asked {
        match (&question, &self.stands) {
            (client_frame::Body::PutRecord(put), Some(_))
                if victim == 1 && put.record.as_ref().is_some_and(|record| record.id == self.place) =>
            {
                Asked::Answer(Body::Ok(relay::Ok {}))
            }
            (client_frame::Body::GetRecord(asked), Some(stands)) if victim == 1 && asked.id == self.place => {
                Asked::Answer(Body::RecordOk(RecordOk { record: Some(stands.clone()) }))
            }
            _ => Asked::Serve(question),
        }
    }

    fn pushed(&mut self, _: Victim, push: Body) -> Vec<Body> {
        if self.apart.get() && matches!(push, Body::Deliver(_)) { Vec::new() } else { vec![push] }
    }
}

#[test]
fn grp_5_splits_its_answers_between_two_admins() {
    let mut circle = circle(507);
    let (alice, bob, id) = (circle.alice, circle.bob, circle.id);
    circle.stage.set_role(alice, id, "bob", Role::Admin);
    circle.stage.advance(5 * MINUTE);
    let place = record_of(&mut circle.stage, alice, id);
    let get = client_frame::Body::GetRecord(relay::GetRecord { id: place.clone() });
    let Body::RecordOk(RecordOk { record: stands }) = circle.stage.anyone(get) else { panic!() };
    let apart = Rc::new(Cell::new(true));
    circle.stage.hostile = Some(Box::new(Splits { place, stands, apart: apart.clone() }));
    circle.stage.rename(alice, id, "Alice's");
    circle.stage.rename(bob, id, "Bob's");
    circle.stage.advance(2 * MINUTE);
    assert_eq!(circle.stage.group(alice, id).group.title, "Alice's");
    assert_eq!(circle.stage.group(bob, id).group.title, "Bob's");
    apart.set(false);
    mend(&mut circle);
    circle.stage.advance(30 * MINUTE);
    // Nobody's history was overwritten, and everybody is told.
    assert_eq!(circle.stage.group(alice, id).group.title, "Alice's");
    assert_eq!(circle.stage.group(bob, id).group.title, "Bob's");
    for who in circle.all() {
        let troubles = circle.stage.troubles(who);
        assert!(troubles.contains(&Trouble::GroupForked { group: id }), "{who:?}: {troubles:?}");
    }
}

/// Changes what is pushed.
struct Pushes<F>(F);

impl<F: FnMut(Victim, Deliver) -> Vec<Deliver>> Hostile for Pushes<F> {
    fn pushed(&mut self, victim: Victim, push: Body) -> Vec<Body> {
        match push {
            Body::Deliver(deliver) => (self.0)(victim, deliver).into_iter().map(Body::Deliver).collect(),
            push => vec![push],
        }
    }
}

/// Everyone says this many things, a second apart.
fn talk(circle: &mut Circle, rounds: usize) -> Vec<String> {
    let mut texts = Vec::new();
    for round in 0..rounds {
        for who in circle.all() {
            let text = format!("number {round} of {}", who.0);
            circle.stage.say(who, circle.id, &text);
            circle.stage.advance(1_000);
            texts.push(text);
        }
    }
    texts.sort();
    texts
}

fn heard(circle: &mut Circle, who: Who) -> Vec<String> {
    let mut heard = circle.stage.heard(who, circle.id);
    heard.retain(|text| text.starts_with("number"));
    heard.sort();
    heard
}

#[test]
fn replays_a_group_s_envelopes() {
    let mut circle = circle(508);
    let said = talk(&mut circle, 4);
    circle.stage.advance(MINUTE);
    for pause in [MINUTE, 3 * DAY, 40 * DAY] {
        circle.stage.advance(pause);
        for (_, deliver) in circle.stage.pushed() {
            for who in circle.all() {
                circle.stage.push(who, deliver.clone());
            }
        }
        circle.stage.advance(MINUTE);
        for who in circle.all() {
            assert_eq!(heard(&mut circle, who), said, "{who:?}");
        }
    }
    circle.go_on();
}

#[test]
fn delivers_a_group_s_envelopes_in_another_order() {
    let mut circle = circle(509);
    let (mine, held) = shared::<Vec<Deliver>>();
    circle.stage.hostile = Some(Box::new(Pushes(move |victim, deliver| {
        if victim != 2 {
            return vec![deliver];
        }
        mine.borrow_mut().push(deliver);
        Vec::new()
    })));
    let (alice, carol, id) = (circle.alice, circle.carol, circle.id);
    let mut said = talk(&mut circle, 2);
    circle.stage.rename(alice, id, "Climbers");
    circle.stage.advance(MINUTE);
    said.extend(talk(&mut circle, 1));
    circle.stage.hostile = None;
    for (n, deliver) in held.take().iter().rev().enumerate() {
        circle.stage.push(carol, deliver.clone());
        if n % 4 == 3 {
            circle.stage.run();
            circle.stage.restart(carol);
        }
    }
    circle.stage.advance(30 * MINUTE);
    said.sort();
    for who in circle.all() {
        assert_eq!(heard(&mut circle, who), said, "{who:?}");
    }
    assert_eq!(titles(&mut circle), ["Climbers"; 3]);
    circle.go_on();
}

#[test]
fn withholds_one_member_s_messages() {
    let mut circle = circle(510);
    let (bob, carol, id) = (circle.bob, circle.carol, circle.id);
    let bobs = circle.stage.account(bob);
    let key = circle.stage.spoils(carol, id);
    let device = key.leaf_of(bobs).device();
    // What the relay can't see, a member tells it: which envelopes are Bob's.
    let outer_key = key.outer.1.clone();
    circle.stage.hostile = Some(Box::new(Pushes(move |victim, deliver: Deliver| {
        let of_bob = matches!(outer::open(&outer_key, &deliver.envelope),
            Ok(wheesht_core::protocol::group::Inside::Message(message)) if message.device() == device);
        if victim == 2 && of_bob { Vec::new() } else { vec![deliver] }
    })));
    let said = talk(&mut circle, 3);
    circle.stage.advance(9 * DAY);
    let others: Vec<_> = said.iter().filter(|text| !text.ends_with("of 1")).cloned().collect();
    assert_eq!(heard(&mut circle, carol), others);
    // Bob's client doesn't say that she has it.
    let all = circle.stage.history(bob, wheesht_core::api::ConversationId::Group(id));
    let last = all.iter().rev().find(|one| one.outgoing).unwrap();
    assert_eq!(last.receipts.map(|sum| (sum.delivered, sum.of)), Some((1, 2)));
    behave(&mut circle.stage, &[carol]);
    circle.stage.advance(5 * MINUTE);
    assert_eq!(heard(&mut circle, carol), said);
    circle.go_on();
}

#[test]
fn grm_21_delivers_through_another_group_s_address() {
    let mut circle = circle(511);
    let (alice, bob, id) = (circle.alice, circle.bob, circle.id);
    let second = circle.stage.found(alice, "Climbers", Policy::default());
    circle.stage.bring(alice, second, (bob, "bob"));
    for who in [alice, bob] {
        circle.stage.say(who, second, "there");
        circle.stage.advance(MINUTE);
    }
    let bob_id = circle.stage.account(bob);
    let at = |stage: &mut Stage, group| stage.spoils(bob, group).leaf_of(bob_id).address().to_vec();
    let (here, there) = (at(&mut circle.stage, id), at(&mut circle.stage, second));
    let swapped = Rc::new(RefCell::new(Vec::new()));
    let kept = Rc::clone(&swapped);
    circle.stage.hostile = Some(Box::new(Pushes(move |victim, deliver: Deliver| {
        if victim != 1 {
            return vec![deliver];
        }
        kept.borrow_mut().push(deliver.clone());
        let address = if deliver.address == here { there.clone() } else { here.clone() };
        vec![Deliver { address, ..deliver }]
    })));
    let said = talk(&mut circle, 2);
    circle.stage.advance(5 * MINUTE);
    let own: Vec<_> = said.iter().filter(|text| text.ends_with("of 1")).cloned().collect();
    assert_eq!(heard(&mut circle, bob), own);
    assert_eq!(circle.stage.heard(bob, second), ["there", "there"]);
    circle.stage.hostile = None;
    for deliver in swapped.take() {
        circle.stage.push(bob, deliver);
    }
    circle.stage.advance(30 * MINUTE);
    assert_eq!(heard(&mut circle, bob), said);
    circle.go_on();
}

/// Knows nothing of one address while it is `closed`; others are served.
struct Closes {
    address: Vec<u8>,
    closed: Rc<Cell<bool>>,
    /// Where the address stood in the deposit under way, per entry.
    places: Vec<Option<usize>>,
}

impl Hostile for Closes {
    fn asked(&mut self, _: Victim, question: client_frame::Body) -> Asked {
        self.places.clear();
        let client_frame::Body::Deposit(mut deposit) = question else { return Asked::Serve(question) };
        if !self.closed.get() {
            return Asked::Serve(client_frame::Body::Deposit(deposit));
        }
        let unknown =
            || relay::AddressResult { code: Refusal::NotFound.into(), ..relay::AddressResult::default() };
        if deposit.entries.iter().any(|entry| entry.addresses == [self.address.clone()]) {
            let result = |entry: &relay::DepositEntry| relay::DepositResult {
                addresses: entry.addresses.iter().map(|_| unknown()).collect(),
            };
            let results = deposit.entries.iter().map(result).collect();
            return Asked::Answer(Body::DepositResults(relay::DepositResults { results }));
        }
        for entry in &mut deposit.entries {
            let place = entry.addresses.iter().position(|address| *address == self.address);
            if let Some(place) = place {
                entry.addresses.remove(place);
            }
            self.places.push(place);
        }
        Asked::Serve(client_frame::Body::Deposit(deposit))
    }

    fn answered(&mut self, _: Victim, _: &client_frame::Body, mut answer: Body) -> Body {
        if let Body::DepositResults(results) = &mut answer {
            for (result, place) in results.results.iter_mut().zip(std::mem::take(&mut self.places)) {
                if let Some(place) = place {
                    let code = Refusal::NotFound.into();
                    result.addresses.insert(place, relay::AddressResult { code, retry_after_ms: 0 });
                }
            }
        }
        answer
    }
}

/// A circle whose relay knows nothing of Carol's address in the group, until it is told to.
fn circle_without_carol(seed: u64) -> (Circle, Rc<Cell<bool>>) {
    let mut circle = circle(seed);
    let carol = circle.stage.account(circle.carol);
    let leaves = circle.stage.spoils(circle.alice, circle.id).leaves;
    let leaf = leaves.iter().find(|leaf| leaf.identity() == carol).unwrap();
    let closed = Rc::new(Cell::new(true));
    let (address, told) = (leaf.address().to_vec(), Rc::clone(&closed));
    circle.stage.hostile = Some(Box::new(Closes { address, closed: told, places: Vec::new() }));
    (circle, closed)
}

#[test]
fn grm_25_loses_a_member_s_address_for_half_an_hour() {
    let (mut circle, closed) = circle_without_carol(521);
    let (alice, bob, carol, id) = (circle.alice, circle.bob, circle.carol, circle.id);
    circle.stage.say(alice, id, "who hears me?");
    circle.stage.advance(30 * MINUTE);
    let heard = |circle: &mut Circle, who| circle.stage.heard(who, id).contains(&"who hears me?".to_owned());
    assert!(heard(&mut circle, bob), "others don't wait for her");
    assert!(!heard(&mut circle, carol));
    assert_eq!(circle.stage.troubles(alice), []);
    closed.set(false);
    circle.stage.advance(30 * MINUTE);
    assert!(heard(&mut circle, carol));
    circle.go_on();
}

#[test]
fn grm_25_loses_a_member_s_address_for_good() {
    let (mut circle, closed) = circle_without_carol(522);
    let (alice, bob, carol, id) = (circle.alice, circle.bob, circle.carol, circle.id);
    circle.stage.say(alice, id, "who hears me?");
    circle.stage.advance(3 * 60 * MINUTE);
    // Not in silence, and once for all that follows, which goes to the others.
    let gone = |trouble: &Trouble| matches!(trouble, Trouble::GroupMemberUnreachable { address, .. } if address.name().as_str() == "carol");
    assert_eq!(circle.stage.troubles(alice).iter().filter(|trouble| gone(trouble)).count(), 1);
    for word in ["one", "two", "three"] {
        circle.stage.say(alice, id, word);
        circle.stage.advance(MINUTE);
        assert!(circle.stage.heard(bob, id).contains(&word.to_owned()));
    }
    assert!(!circle.stage.troubles(alice).iter().any(gone));
    assert!(!circle.stage.heard(carol, id).contains(&"one".to_owned()));
    closed.set(false);
    circle.stage.advance(MINUTE);
    circle.go_on();
}
