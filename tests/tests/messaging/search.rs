//! Searching and paging, as an app does.

use wheesht_core::api::{
    Body, ContactExtra, ConversationId, EventKind, Found, Message, MessageKind, Page, PageAt, Request,
    Response, Search, SearchOrder, Who as Whom,
};
use wheesht_proto::ids::AccountId;
use wheesht_tests::stage::{Stage, Who};

use crate::people::*;

fn search(stage: &mut Stage, who: Who, search: Search) -> Found {
    match stage.ask(who, Request::Search { search }) {
        Ok(Response::Found { found }) => found,
        other => panic!("{other:?}"),
    }
}

fn texts_found(stage: &mut Stage, who: Who, query: &str) -> Vec<String> {
    let found = search(stage, who, Search { query: query.to_owned(), ..Default::default() });
    found.hits.iter().map(|hit| words(&hit.message)).collect()
}

fn page(stage: &mut Stage, who: Who, with: AccountId, at: PageAt, limit: u32) -> Page {
    let conversation = ConversationId::Direct(with);
    match stage.ask(who, Request::Page { conversation, at, limit }) {
        Ok(Response::Page { page }) => page,
        other => panic!("{other:?}"),
    }
}

fn words(message: &Message) -> String {
    match &message.body {
        Body::Text { text } => text.clone(),
        other => format!("{other:?}"),
    }
}

fn said(page: &Page) -> Vec<String> {
    page.messages.iter().map(words).collect()
}

#[test]
fn sea_2_sea_7_people_find_what_was_said() {
    let Two { mut stage, alice, bob, bob_id, alice_id } = friends(40);
    send(&mut stage, alice, "bob", "The train to the Sea leaves at nine: https://trains.example");
    send(&mut stage, bob, "alice", "Ich komme mit dem Zug nach Düsseldorf");
    send(&mut stage, alice, "bob", "明日は東京へ行きます");
    stage.advance(MINUTE);
    for who in [alice, bob] {
        assert_eq!(texts_found(&mut stage, who, "DUSSELDORF").len(), 1);
        assert_eq!(texts_found(&mut stage, who, "東京").len(), 1);
        assert_eq!(texts_found(&mut stage, who, "京東").len(), 0);
        assert_eq!(texts_found(&mut stage, who, "trai*").len(), 1);
        assert_eq!(texts_found(&mut stage, who, "\"to the sea\"").len(), 1);
        assert_eq!(texts_found(&mut stage, who, "\"sea the to\"").len(), 0);
        assert_eq!(texts_found(&mut stage, who, "has:link").len(), 1);
        assert_eq!(texts_found(&mut stage, who, "zug before:1980-01-01").len(), 0);
    }
    assert_eq!(texts_found(&mut stage, alice, "from:bob nach").len(), 1);
    assert_eq!(texts_found(&mut stage, alice, "from:me nach").len(), 0);
    assert_eq!(texts_found(&mut stage, alice, "in:bob sea").len(), 1);
    let found = search(
        &mut stage,
        bob,
        Search {
            query: "düssel* nach".to_owned(),
            conversation: Some(ConversationId::Direct(alice_id)),
            sender: Some(Whom::Id(bob_id)),
            kind: Some(MessageKind::Text),
            order: SearchOrder::Relevance,
            ..Default::default()
        },
    );
    let hit = &found.hits[0];
    let words = words(&hit.message);
    let marked: Vec<&str> =
        hit.marks.iter().map(|mark| &words[mark.start as usize..][..mark.length as usize]).collect();
    assert_eq!(marked, ["nach", "Düsseldorf"]);
    assert!(stage.ask(bob, Request::Search { search: Search::default() }).is_err());
}

#[test]
fn sea_5_edits_and_deletions_are_found_as_they_are_now() {
    let Two { mut stage, alice, bob, bob_id, alice_id } = friends(41);
    let message = send(&mut stage, alice, "bob", "the password is swordfish");
    let other = send(&mut stage, alice, "bob", "goodbye");
    stage.advance(MINUTE);
    let conversation = ConversationId::Direct(bob_id);
    let edit = Request::Edit { conversation, message, text: "never mind".to_owned(), mentions: Vec::new() };
    assert_eq!(stage.ask(alice, edit), Ok(Response::Done));
    let delete = Request::Delete { conversation, message: other, for_all: true };
    assert_eq!(stage.ask(alice, delete), Ok(Response::Done));
    stage.advance(MINUTE);
    for merged in [false, true] {
        if merged {
            // Long enough for the words to have left the lists.
            stage.advance(15 * MINUTE);
            stage.restart(alice);
        }
        for who in [alice, bob] {
            assert_eq!(texts_found(&mut stage, who, "swordfish"), Vec::<String>::new());
            assert_eq!(texts_found(&mut stage, who, "goodbye"), Vec::<String>::new());
            assert_eq!(texts_found(&mut stage, who, "\"never mind\"").len(), 1);
        }
    }
    // A conversation that is forgotten is not found either.
    assert_eq!(stage.ask(bob, Request::DeleteContact { who: Whom::Id(alice_id) }), Ok(Response::Done));
    assert_eq!(texts_found(&mut stage, bob, "never"), Vec::<String>::new());
}

#[test]
fn sea_5_sea_6_what_has_disappeared_is_not_found_and_its_words_are_gone() {
    let Two { mut stage, alice, bob, bob_id, .. } = friends(42);
    let conversation = ConversationId::Direct(bob_id);
    let timer = Request::SetDisappearing { conversation, after_ms: 60 * MINUTE };
    assert_eq!(stage.ask(alice, timer), Ok(Response::Done));
    stage.advance(MINUTE);
    send(&mut stage, alice, "bob", "meet me at the lighthouse");
    stage.advance(MINUTE);
    assert_eq!(texts_found(&mut stage, alice, "lighthouse").len(), 1);
    assert_eq!(texts_found(&mut stage, bob, "lighthouse").len(), 1);
    stage.advance(61 * MINUTE);
    assert_eq!(texts_found(&mut stage, alice, "lighthouse").len(), 0);
    stage.advance(15 * MINUTE);
    stage.restart(alice);
    assert_eq!(texts_found(&mut stage, alice, "light*").len(), 0);
}

#[test]
fn pages_go_both_ways_to_a_day_to_a_message_and_to_what_was_not_read() {
    let Two { mut stage, alice, bob, bob_id, alice_id } = friends(43);
    let mut middle = None;
    let mut noon = None;
    for n in 0..30 {
        if n == 20 {
            noon = Some(stage.now);
        }
        let message = send(&mut stage, alice, "bob", &format!("message {n}"));
        if n == 15 {
            middle = Some(message);
        }
        stage.advance(MINUTE);
        if n == 9 {
            mark_read(&mut stage, bob, alice_id);
            stage.advance(MINUTE);
        }
    }
    let newest = page(&mut stage, bob, alice_id, PageAt::Newest, 5);
    assert_eq!(said(&newest).last().unwrap(), "message 29");
    assert!(newest.earlier && !newest.later);
    let first = newest.messages[0].seq;
    let before = page(&mut stage, bob, alice_id, PageAt::Before { seq: first }, 5);
    assert_eq!(said(&before), ["message 20", "message 21", "message 22", "message 23", "message 24"]);
    assert!(before.earlier && before.later);
    let after = page(&mut stage, bob, alice_id, PageAt::After { seq: before.messages[4].seq }, 5);
    assert_eq!(said(&after), said(&newest));
    let oldest = page(&mut stage, bob, alice_id, PageAt::Oldest, 3);
    assert!(!oldest.earlier && oldest.later);
    let around = page(&mut stage, alice, bob_id, PageAt::Message { message: middle.unwrap() }, 5);
    assert_eq!(said(&around)[2], "message 15");
    assert_eq!(around.at, Some(around.messages[2].seq));
    let day = page(&mut stage, bob, alice_id, PageAt::Date { at: noon.unwrap() }, 4);
    let at = day.messages.iter().find(|message| Some(message.seq) == day.at).unwrap();
    assert_eq!(words(at), "message 20");
    let unread = page(&mut stage, bob, alice_id, PageAt::FirstUnread, 6);
    let at = unread.messages.iter().find(|message| Some(message.seq) == unread.at).unwrap();
    assert_eq!(words(at), "message 10");
    assert_eq!(conversations(&mut stage, bob)[0].unread, 20);
    mark_read(&mut stage, bob, alice_id);
    let unread = page(&mut stage, bob, alice_id, PageAt::FirstUnread, 6);
    assert_eq!(unread.at, None);
    assert_eq!(said(&unread).last().unwrap(), "message 29");
    assert_eq!(conversations(&mut stage, bob)[0].unread, 0);
}

#[test]
fn sto_16_what_is_noted_about_a_contact_is_shown_and_reaches_the_other_devices() {
    let Two { mut stage, alice, bob_id, .. } = friends(44);
    let second = join(&mut stage, alice, "alice");
    stage.events(second);
    let edit = Request::EditContact {
        who: Whom::Id(bob_id),
        nickname: Some(" Bobby ".to_owned()),
        note: Some("met at the lighthouse".to_owned()),
        lists: Some(vec!["work".to_owned(), "chess".to_owned(), "work".to_owned()]),
    };
    assert!(matches!(stage.ask(alice, edit), Ok(Response::Contact { .. })));
    let conversation = ConversationId::Direct(bob_id);
    assert_eq!(stage.ask(alice, Request::Archive { conversation, archived: true }), Ok(Response::Done));
    stage.advance(5 * MINUTE);
    let expected = ContactExtra {
        nickname: "Bobby".to_owned(),
        note: "met at the lighthouse".to_owned(),
        lists: vec!["chess".to_owned(), "work".to_owned()],
    };
    for who in [alice, second] {
        assert_eq!(contact(&mut stage, who, "bob").unwrap().extra, expected);
    }
    assert!(conversations(&mut stage, alice)[0].archived);
    assert_eq!(conversations(&mut stage, alice)[0].title, "Bobby");
    let heard = stage
        .events(second)
        .iter()
        .any(|event| matches!(event, EventKind::Contact { contact } if contact.extra == expected));
    assert!(heard);
    let long = Request::EditContact {
        who: Whom::Id(bob_id),
        nickname: Some("x".repeat(129)),
        note: None,
        lists: None,
    };
    assert!(stage.ask(alice, long).is_err());
}
