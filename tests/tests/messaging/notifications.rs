//! What calls for attention, and what doesn't.

use wheesht_core::{
    api::{
        ConversationId, ErrorCode, EventKind, GroupsCall, Mention, Notification, NotificationReason,
        NotificationSettings, QuietHours, Request, Response, Shows, To, Who as Whom,
    },
    proto::ids::AccountId,
};
use wheesht_tests::stage::{Stage, Who, address};

use crate::people::*;

fn calls(stage: &mut Stage, who: Who) -> Vec<Notification> {
    let call = |kind| match kind {
        EventKind::Notification { notification } => Some(notification),
        _ => None,
    };
    stage.events(who).into_iter().filter_map(call).collect()
}

/// Title and body of each.
fn words(stage: &mut Stage, who: Who) -> Vec<(String, String)> {
    calls(stage, who).into_iter().map(|call| (call.title, call.body)).collect()
}

fn said(title: &str, body: &str) -> (String, String) {
    (title.to_owned(), body.to_owned())
}

fn settings(stage: &mut Stage, who: Who, settings: NotificationSettings) {
    assert_eq!(stage.ask(who, Request::SetNotifications { settings }), Ok(Response::Done));
}

fn shows(stage: &mut Stage, who: Who, shows: Shows) {
    settings(stage, who, NotificationSettings { shows, ..NotificationSettings::default() });
}

fn focus(stage: &mut Stage, who: Who, conversation: Option<ConversationId>) {
    assert_eq!(stage.ask(who, Request::SetFocus { conversation }), Ok(Response::Done));
}

fn mute(stage: &mut Stage, who: Who, conversation: ConversationId) {
    let until = Some(stage.now.plus_millis(60 * MINUTE));
    assert_eq!(stage.ask(who, Request::Mute { conversation, until }), Ok(Response::Done));
}

/// Alice's group "Hikers", with Bob in it.
fn together(seed: u64) -> (Two, ConversationId) {
    let mut two = friends(seed);
    let title = "Hikers".to_owned();
    let request = Request::CreateGroup { title, about: String::new(), picture: None, policy: None };
    let Ok(Response::Group { group }) = two.stage.ask(two.alice, request) else { panic!("no group") };
    let group = group.id;
    two.stage.advance(MINUTE);
    let who = Whom::Id(two.bob_id);
    two.stage.ask(two.alice, Request::InviteToGroup { group, who }).expect("an invitation");
    two.stage.advance(MINUTE);
    let invited = calls(&mut two.stage, two.bob);
    let [invited] = invited.as_slice() else { panic!("{invited:?}") };
    assert_eq!(invited.reason, NotificationReason::Invitation);
    assert_eq!(invited.title, "alice invites you");
    two.stage.ask(two.bob, Request::AcceptInvitation { group }).expect("an answer");
    two.stage.advance(5 * MINUTE);
    two.stage.events(two.alice);
    two.stage.events(two.bob);
    (two, ConversationId::Group(group))
}

fn say_there(stage: &mut Stage, who: Who, to: ConversationId, text: &str, names: Option<AccountId>) {
    let mention = |account| Mention { account, start: 0, length: 4 };
    let mentions = names.map(mention).into_iter().collect();
    let request = Request::Send { to: To::Conversation(to), text: text.to_owned(), reply_to: None, mentions };
    stage.ask(who, request).expect("it is queued");
    stage.advance(MINUTE / 2);
}

#[test]
fn a_message_calls_and_tells_as_much_as_may_be_seen() {
    let Two { mut stage, alice, bob, bob_id, alice_id } = friends(301);
    let asked = stage.ask(bob, Request::NotificationSettings);
    assert_eq!(asked, Ok(Response::NotificationSettings { settings: NotificationSettings::default() }));
    for (how, told) in [
        (Shows::Nothing, said("Wheesht", "A new message")),
        (Shows::Who, said("alice", "A new message")),
        (Shows::Message, said("alice", "are you there? �]0;x")),
    ] {
        shows(&mut stage, bob, how);
        let message = send(&mut stage, alice, "bob", "are you\nthere?\u{202e}\u{7} \u{fffd}]0;x");
        stage.advance(MINUTE);
        let mut all = calls(&mut stage, bob);
        let call = all.pop().expect("a call");
        assert_eq!(all, []);
        assert_eq!((call.title, call.body), told);
        assert_eq!((call.reason, call.shows, call.count), (NotificationReason::Message, how, 1));
        assert_eq!(call.conversation, Some(ConversationId::Direct(alice_id)));
        assert_eq!(call.message, Some(message));
    }
    // The settings outlast the program.
    stage.restart(bob);
    let Ok(Response::NotificationSettings { settings }) = stage.ask(bob, Request::NotificationSettings)
    else {
        panic!()
    };
    assert_eq!(settings.shows, Shows::Message);
    // Nobody is called by themselves, on no device.
    let laptop = join(&mut stage, alice, "alice");
    stage.events(alice);
    stage.events(laptop);
    send(&mut stage, alice, "bob", "from the phone");
    stage.advance(MINUTE);
    assert_eq!((words(&mut stage, alice), words(&mut stage, laptop)), (vec![], vec![]));
    assert!(history(&mut stage, laptop, bob_id).iter().any(|message| message.outgoing));
}

#[test]
fn what_is_looked_at_or_muted_does_not_call() {
    let Two { mut stage, alice, bob, alice_id, .. } = friends(302);
    let conversation = ConversationId::Direct(alice_id);
    focus(&mut stage, bob, Some(conversation));
    send(&mut stage, alice, "bob", "one");
    stage.advance(MINUTE);
    assert_eq!(words(&mut stage, bob), []);
    // Whoever has not said so for long may have gone without a word.
    stage.advance(10 * MINUTE);
    send(&mut stage, alice, "bob", "two");
    stage.advance(MINUTE);
    assert_eq!(words(&mut stage, bob).len(), 1);
    focus(&mut stage, bob, Some(conversation));
    focus(&mut stage, bob, None);
    send(&mut stage, alice, "bob", "three");
    stage.advance(MINUTE);
    assert_eq!(words(&mut stage, bob).len(), 1);
    mute(&mut stage, bob, conversation);
    send(&mut stage, alice, "bob", "four");
    stage.advance(MINUTE);
    assert_eq!(words(&mut stage, bob), []);
    stage.advance(60 * MINUTE);
    send(&mut stage, alice, "bob", "five");
    stage.advance(MINUTE);
    assert_eq!(words(&mut stage, bob).len(), 1);
}

#[test]
fn a_stranger_calls_once_and_is_not_quoted() {
    let Two { mut stage, alice, bob, .. } = two(303);
    shows(&mut stage, bob, Shows::Message);
    for text in ["buy now", "really"] {
        send(&mut stage, alice, "bob", text);
        stage.advance(MINUTE);
    }
    let all = calls(&mut stage, bob);
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0].reason, NotificationReason::Request);
    assert_eq!(
        (all[0].title.as_str(), all[0].body.as_str()),
        ("alice would like to talk to you", "A request")
    );
}

#[test]
fn nothing_calls_in_quiet_hours() {
    let Two { mut stage, alice, bob, .. } = friends(304);
    let minute = u16::try_from(stage.now.as_millis() / MINUTE % 1_440).unwrap();
    // The wall is two hours ahead, and it has been quiet for an hour.
    let (from, until) = ((minute + 60) % 1_440, (minute + 180) % 1_440);
    let quiet = Some(QuietHours { from, until, utc_offset: 120 });
    settings(&mut stage, bob, NotificationSettings { quiet, ..NotificationSettings::default() });
    send(&mut stage, alice, "bob", "hush");
    stage.advance(MINUTE);
    assert_eq!(words(&mut stage, bob), []);
    stage.advance(60 * MINUTE);
    send(&mut stage, alice, "bob", "awake?");
    stage.advance(MINUTE);
    assert_eq!(words(&mut stage, bob), [said("alice", "A new message")]);
    for quiet in [
        QuietHours { from: 60, until: 60, utc_offset: 0 },
        QuietHours { from: 1_440, until: 60, utc_offset: 0 },
        QuietHours { from: 0, until: 60, utc_offset: 2_000 },
    ] {
        let settings = NotificationSettings { quiet: Some(quiet), ..NotificationSettings::default() };
        let refused = stage.ask(bob, Request::SetNotifications { settings });
        assert_eq!(refused.unwrap_err().code, ErrorCode::Invalid);
    }
    // A device that asks to join calls at any hour: somebody may be breaking in.
    let quiet = Some(QuietHours { from: 1, until: 0, utc_offset: 0 });
    settings(&mut stage, bob, NotificationSettings { quiet, ..NotificationSettings::default() });
    let second = stage.add();
    let (address, password) = (address("bob"), wheesht_core::api::Password::new(PASSWORD));
    let request = Request::LogIn { address, password, device: "second".to_owned(), evict: false };
    stage.ask(second, request).expect("a login");
    stage.advance(1_000);
    let all = calls(&mut stage, bob);
    assert_eq!(all.iter().map(|call| call.reason).collect::<Vec<_>>(), [NotificationReason::Device]);
}

#[test]
fn after_an_absence_one_call_stands_for_all() {
    let Two { mut stage, alice, bob, alice_id, .. } = friends(305);
    let laptop = join(&mut stage, bob, "bob");
    stage.set_offline(bob, true);
    for n in 0..12 {
        send(&mut stage, alice, "bob", &format!("{n}"));
        stage.advance(MINUTE);
    }
    stage.events(bob);
    stage.set_offline(bob, false);
    stage.advance(2 * MINUTE);
    let all = calls(&mut stage, bob);
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!((all[0].title.as_str(), all[0].body.as_str()), ("alice", "12 new messages"));
    assert_eq!((all[0].reason, all[0].count), (NotificationReason::Several, 12));
    assert_eq!(all[0].conversation, Some(ConversationId::Direct(alice_id)));

    // A single one is told as it is, however late; and what was read elsewhere meanwhile not at all.
    mark_read(&mut stage, bob, alice_id);
    stage.advance(MINUTE);
    for read in [false, true] {
        stage.set_offline(bob, true);
        send(&mut stage, alice, "bob", "late");
        stage.advance(5 * MINUTE);
        if read {
            mark_read(&mut stage, laptop, alice_id);
            stage.advance(5 * MINUTE);
        }
        stage.events(bob);
        stage.set_offline(bob, false);
        stage.advance(2 * MINUTE);
        let expected = if read { vec![] } else { vec![said("alice", "A new message")] };
        assert_eq!(words(&mut stage, bob), expected);
    }
}

#[test]
fn a_flood_is_told_in_few_words() {
    let Two { mut stage, alice, bob, .. } = friends(306);
    for n in 0..50 {
        send(&mut stage, alice, "bob", &format!("{n}"));
    }
    stage.advance(MINUTE);
    let all = calls(&mut stage, bob);
    assert!(all.len() <= 7, "{all:?}");
    assert_eq!(all.iter().map(|call| call.count).sum::<u64>(), 50);
}

#[test]
fn a_group_calls_for_all_or_for_those_that_it_names() {
    let (Two { mut stage, alice, bob, bob_id, .. }, group) = together(307);
    say_there(&mut stage, alice, group, "who comes?", None);
    assert_eq!(words(&mut stage, bob), [said("alice in Hikers", "A new message")]);
    say_there(&mut stage, alice, group, "@bob you?", Some(bob_id));
    let all = calls(&mut stage, bob);
    assert_eq!(all[0].reason, NotificationReason::Mention);
    assert_eq!(all[0].title, "alice mentioned you in Hikers");

    let only = NotificationSettings { groups: GroupsCall::Mentions, ..NotificationSettings::default() };
    settings(&mut stage, bob, only);
    say_there(&mut stage, alice, group, "anybody?", None);
    assert_eq!(words(&mut stage, bob), []);
    let question = stage.ask(bob, Request::send(To::Conversation(group), "when?"));
    let Ok(Response::Queued { message, .. }) = question else { panic!("{question:?}") };
    stage.advance(MINUTE);
    let answer = Request::Send {
        to: To::Conversation(group),
        text: "at six".to_owned(),
        reply_to: Some(message),
        mentions: Vec::new(),
    };
    stage.ask(alice, answer).expect("it is queued");
    stage.advance(MINUTE);
    let all = calls(&mut stage, bob);
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(
        (all[0].reason, all[0].title.as_str()),
        (NotificationReason::Reply, "alice answered you in Hikers")
    );

    // Muted, it calls for a mention only, and not even for that if one likes.
    mute(&mut stage, bob, group);
    for (mentions_when_muted, expected) in [(true, 1), (false, 0)] {
        let muted = NotificationSettings { mentions_when_muted, ..NotificationSettings::default() };
        settings(&mut stage, bob, muted);
        say_there(&mut stage, alice, group, "hello", None);
        say_there(&mut stage, alice, group, "@bob hello", Some(bob_id));
        assert_eq!(words(&mut stage, bob).len(), expected);
    }
}
