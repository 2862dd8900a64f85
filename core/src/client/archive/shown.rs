//! What all readable formats share: how a message reads, when it was, and a name for its file.

use jiff::{Zoned, tz::TimeZone};

use crate::{
    api::{Body, Message, MessageState, Notice},
    time::Timestamp,
};

/// Days and hours as the person's calendar and clock have them, with the day that was shown last.
pub(super) struct Calendar {
    zone: TimeZone,
    day: String,
}

impl Calendar {
    /// That of this machine.
    pub(super) fn here() -> Self {
        Self::of(TimeZone::system())
    }

    fn of(zone: TimeZone) -> Self {
        Self { zone, day: String::new() }
    }

    /// `2026-01-31`, if that is another day than the one before.
    pub(super) fn turned(&mut self, at: Timestamp) -> Option<String> {
        let day = self.local(at)?.strftime("%Y-%m-%d").to_string();
        (day != self.day).then(|| {
            self.day.clone_from(&day);
            day
        })
    }

    /// `23:59`.
    pub(super) fn clock(&self, at: Timestamp) -> String {
        self.local(at).map(|at| at.strftime("%H:%M").to_string()).unwrap_or_default()
    }

    fn local(&self, at: Timestamp) -> Option<Zoned> {
        // Nobody says anything after the year 9999; a message that claims so has neither day nor hour.
        let at = jiff::Timestamp::from_millisecond(i64::try_from(at.as_millis()).ok()?).ok()?;
        Some(at.to_zoned(self.zone.clone()))
    }
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
            Notice::Group { actor_name, change, .. } => line(&format!("{actor_name} {}", change.words())),
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
    fn days_and_hours_are_those_of_the_zone() {
        let at = Timestamp::from_millis(1_709_251_140_000);
        let mut greenwich = Calendar::of(TimeZone::UTC);
        assert_eq!(
            (greenwich.turned(at).as_deref(), greenwich.clock(at).as_str()),
            (Some("2024-02-29"), "23:59")
        );
        assert_eq!(greenwich.turned(at), None);
        assert_eq!(greenwich.turned(Timestamp::from_millis(0)).as_deref(), Some("1970-01-01"));
        let mut east = Calendar::of(TimeZone::fixed(jiff::tz::offset(2)));
        assert_eq!((east.turned(at).as_deref(), east.clock(at).as_str()), (Some("2024-03-01"), "01:59"));
        let never = Timestamp::from_millis(u64::MAX);
        assert_eq!((east.turned(never), east.clock(never).as_str()), (None, ""));
    }

    #[test]
    fn exp_3_names_and_texts_do_nothing() {
        assert_eq!(line("a\nb\u{202e}c\u{7}"), "a bc");
        assert_eq!(lines("a\nb\u{1b}[31m"), "a\nb[31m");
        assert_eq!(file_name(3, "../../etc/passwd", "html"), "003-______etc_passwd.html");
    }
}
