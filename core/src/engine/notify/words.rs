//! Notifications in words: as much as may be seen. Whatever others have written is made one line of bounded length here, without
//! characters that a screen obeys.

use crate::api::{Body, ConversationId, Group, Message, Notification, NotificationReason, Shows};

/// Characters of a title and of a body.
const LONGEST: (usize, usize) = (80, 160);
/// What stands in for whoever is not to be named.
const PROGRAM: &str = "Wheesht";
/// Conversations that are named when there are several.
const NAMED: usize = 3;

/// A message. `title`: the conversation's.
pub(super) fn message(
    shows: Shows,
    reason: NotificationReason,
    message: &Message,
    title: &str,
) -> Notification {
    let who = &message.sender_name;
    let there = match message.conversation {
        ConversationId::Group(_) => format!(" in {title}"),
        ConversationId::Direct(_) => String::new(),
    };
    let said = match reason {
        NotificationReason::Request => format!("{who} would like to talk to you"),
        NotificationReason::Mention => format!("{who} mentioned you{there}"),
        NotificationReason::Reply => format!("{who} answered you{there}"),
        _ => format!("{who}{there}"),
    };
    let (head, body) = match (shows, reason) {
        (Shows::Nothing, NotificationReason::Request) => (PROGRAM, "Somebody would like to talk to you"),
        (Shows::Nothing, _) => (PROGRAM, "A new message"),
        // What a stranger says is shown to nobody who didn't ask for it.
        (_, NotificationReason::Request) => (said.as_str(), "A request"),
        (Shows::Who, _) => (said.as_str(), "A new message"),
        (Shows::Message, _) => (
            said.as_str(),
            match &message.body {
                Body::Text { text } => text,
                Body::File { file, caption } if caption.is_empty() => &file.name,
                Body::File { caption, .. } => caption,
                _ => "A new message",
            },
        ),
    };
    Notification {
        conversation: Some(message.conversation),
        message: Some(message.id),
        ..plain(reason, shows, head, body)
    }
}

/// Somebody invites into a group.
pub(super) fn invitation(shows: Shows, group: &Group, inviter: Option<&str>) -> Notification {
    let who = inviter.unwrap_or("Somebody");
    let (head, body) = match shows {
        Shows::Nothing => (PROGRAM.to_owned(), "You are invited into a group".to_owned()),
        Shows::Who => (format!("{who} invites you"), "You are invited into a group".to_owned()),
        Shows::Message => (format!("{who} invites you"), format!("Into “{}”", group.title)),
    };
    Notification {
        conversation: Some(ConversationId::Group(group.id)),
        ..plain(NotificationReason::Invitation, shows, &head, &body)
    }
}

/// Somebody asks to join a group of this title.
pub(super) fn join_request(shows: Shows, id: ConversationId, title: &str, who: &str) -> Notification {
    let (head, body) = match shows {
        Shows::Nothing => (PROGRAM, "Somebody asks to join a group".to_owned()),
        _ => (title, format!("{who} asks to join")),
    };
    Notification { conversation: Some(id), ..plain(NotificationReason::JoinRequest, shows, head, &body) }
}

/// A device asks to join the account.
pub(super) fn device() -> Notification {
    let body = "A device asks to join your account. If it isn't yours, refuse it.";
    plain(NotificationReason::Device, Shows::Nothing, PROGRAM, body)
}

/// So many messages, in the conversations of these names: all in `one`, or there too.
pub(super) fn several(
    shows: Shows,
    one: Option<ConversationId>,
    count: u64,
    names: &[&str],
    more: bool,
) -> Notification {
    let messages = format!("{count} new messages");
    let (head, body) = match (shows, names) {
        (Shows::Nothing, _) => (PROGRAM.to_owned(), messages),
        (_, [name]) if !more => ((*name).to_owned(), messages),
        _ => {
            let named: Vec<_> = names.iter().take(NAMED).map(|name| clean(name, 40)).collect();
            let rest = if more || names.len() > NAMED { " and others" } else { "" };
            (messages, format!("{}{rest}", named.join(", ")))
        }
    };
    Notification { conversation: one, count, ..plain(NotificationReason::Several, shows, &head, &body) }
}

fn plain(reason: NotificationReason, shows: Shows, title: &str, body: &str) -> Notification {
    let (title, body) = (clean(title, LONGEST.0), clean(body, LONGEST.1));
    Notification { reason, title, body, shows, conversation: None, message: None, count: 1 }
}

/// A text as one line of at most so many characters.
fn clean(text: &str, longest: usize) -> String {
    let mut out = String::new();
    let mut length = 0;
    let mut gap = false;
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() {
            gap = !out.is_empty();
            continue;
        }
        if is_harmful(c) {
            continue;
        }
        let wanted = 1 + usize::from(gap);
        // The last place is for what says that it goes on.
        if length + wanted >= longest {
            out.push('…');
            return out;
        }
        if std::mem::take(&mut gap) {
            out.push(' ');
        }
        out.push(c);
        length += wanted;
    }
    out
}

/// Characters that turn the writing's direction, or are not seen at all. (Joiners stay: scripts and emoji need them.)
const fn is_harmful(c: char) -> bool {
    matches!(c,
        '\u{00ad}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use wheesht_proto::ids::AccountId;

    use super::*;

    #[test]
    fn what_others_wrote_is_one_harmless_line() {
        assert_eq!(clean("are you\nthere?\x1b[2J\u{202e}x\u{7}", 80), "are you there? [2Jx");
        assert_eq!(clean("  \n ", 80), "");
        assert_eq!(clean("é".repeat(100).as_str(), 10), format!("{}…", "é".repeat(9)));
        assert_eq!(clean("👩\u{200d}👩\u{200d}👧", 10), "👩\u{200d}👩\u{200d}👧");
        for length in 0..20 {
            let words = clean(&"ab ".repeat(length), 10);
            assert!(words.chars().count() <= 10, "{words}");
        }
    }

    #[test]
    fn several_are_told_in_one() {
        let told = |shows, one, names: &[&str], more| {
            let notification = several(shows, one, 12, names, more);
            assert_eq!(notification.count, 12);
            (notification.title, notification.body)
        };
        let words = |head: &str, body: &str| (head.to_owned(), body.to_owned());
        let bob = Some(ConversationId::Direct(AccountId::new([1; 32])));
        assert_eq!(told(Shows::Who, bob, &["bob"], false), words("bob", "12 new messages"));
        assert_eq!(told(Shows::Nothing, bob, &["bob"], false), words("Wheesht", "12 new messages"));
        assert_eq!(told(Shows::Who, None, &["bob", "Trip"], false), words("12 new messages", "bob, Trip"));
        assert_eq!(
            told(Shows::Message, None, &["a", "b", "c", "d"], false),
            words("12 new messages", "a, b, c and others")
        );
    }
}
