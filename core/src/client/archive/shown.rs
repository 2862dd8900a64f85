//! What all readable formats share: how a message reads, when it was, and a name for its file.

use crate::{
    api::{Body, Message, MessageState, Notice},
    time::Timestamp,
};

const DAY_MS: u64 = crate::proto::limits::DAY_MS;

/// `2026-01-31`, in UTC.
pub(super) fn day(at: Timestamp) -> String {
    // Days since 0000-03-01, by eras of 400 years.
    let days = at.as_millis() / DAY_MS + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `23:59`, in UTC.
pub(super) fn clock(at: Timestamp) -> String {
    let minutes = at.as_millis() % DAY_MS / 60_000;
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// One line, without characters that do something.
pub(super) fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| !is_odd(*c)).collect()
}

/// Several lines, without characters that do something.
pub(super) fn lines(text: &str) -> String {
    text.chars().filter(|c| matches!(c, '\n' | '\t') || !is_odd(*c)).collect()
}

/// Control characters, and those that turn the direction of what follows.
fn is_odd(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// What a message says, if it is a text.
pub(super) fn text(message: &Message) -> Option<String> {
    match &message.body {
        Body::Text { text } => Some(lines(text)),
        Body::File { file, caption } => {
            let file = format!("[{}, {}]", line(&file.name), amount(file.size));
            Some(if caption.is_empty() { file } else { format!("{file}\n{}", lines(caption)) })
        }
        _ => None,
    }
}

/// So many bytes, for a person.
pub(super) fn amount(bytes: u64) -> String {
    let tenths = |unit: u32| format!("{}.{}", bytes >> unit, ((bytes & ((1 << unit) - 1)) * 10) >> unit);
    match bytes {
        1 => "1 byte".to_owned(),
        0..1_024 => format!("{bytes} bytes"),
        1_024..1_048_576 => format!("{} KiB", bytes >> 10),
        1_048_576..1_073_741_824 => format!("{} MiB", tenths(20)),
        _ => format!("{} GiB", tenths(30)),
    }
}

/// What is said of a message that is no text.
pub(super) fn aside(message: &Message) -> String {
    let name = line(&message.sender_name);
    match &message.body {
        Body::Text { .. } | Body::File { .. } => String::new(),
        Body::Deleted { .. } => format!("{name}: deleted"),
        Body::Notice { notice } => match notice {
            Notice::DeviceAdded { .. } => format!("{name} has a new device"),
            Notice::DeviceRemoved { .. } => format!("{name} removed a device"),
            Notice::IdentityChanged => format!("{name}'s identity changed"),
            Notice::IdentityAccepted => format!("{name}'s new identity was accepted"),
            Notice::Unreadable => "A message could not be read".to_owned(),
            Notice::SessionReset => "The encrypted session was set up anew".to_owned(),
            Notice::Accepted => format!("{name} accepted"),
            Notice::AccountDeleted => format!("{name} deleted the account"),
            Notice::Disappearing { after_ms: 0, .. } => "Messages no longer disappear".to_owned(),
            Notice::Disappearing { .. } => "Messages disappear".to_owned(),
            Notice::Group { actor_name, .. } => format!("{} changed the group", line(actor_name)),
        },
    }
}

/// Whether it never went.
pub(super) const fn failed(message: &Message) -> bool {
    matches!(message.state, Some(MessageState::Failed { .. }))
}

/// A file's name for a conversation, safe on every system.
pub(super) fn file_name(number: usize, title: &str, extension: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' };
    let title: String = title.chars().map(plain).take(40).collect();
    format!("{number:03}-{title}.{extension}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_hours_are_those_of_the_calendar() {
        let at = Timestamp::from_millis(1_709_251_140_000);
        assert_eq!((day(at).as_str(), clock(at).as_str()), ("2024-02-29", "23:59"));
        assert_eq!(day(Timestamp::from_millis(0)), "1970-01-01");
        assert_eq!(day(Timestamp::from_millis(4_102_444_800_000)), "2100-01-01");
    }

    #[test]
    fn exp_3_names_and_texts_do_nothing() {
        assert_eq!(line("a\nb\u{202e}c\u{7}"), "a bc");
        assert_eq!(lines("a\nb\u{1b}[31m"), "a\nb[31m");
        assert_eq!(file_name(3, "../../etc/passwd", "html"), "003-______etc_passwd.html");
    }
}
