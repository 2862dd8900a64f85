//! What stands between messages: the day, when it has changed, and where what is new begins.

use jiff::{Timestamp as Instant, civil::Date, tz::TimeZone};
use wheesht_core::{api::Message, time::Timestamp};

use crate::output::Style;

/// The day of the entry shown last.
#[derive(Default)]
pub(super) struct Days {
    last: Option<Date>,
}

impl Days {
    /// A line to show before this entry, if it stands on another day than the one before.
    pub(super) fn before(&mut self, message: &Message, style: Style) -> Option<String> {
        let day = day(message.sent_at)?;
        let before = self.last.replace(day).unwrap_or_else(today);
        (day != before).then(|| style.dim(&format!("── {} ──", day.strftime("%A, %-d %B %Y"))))
    }
}

fn today() -> Date {
    jiff::Zoned::now().date()
}

fn day(at: Timestamp) -> Option<Date> {
    let instant = Instant::from_millisecond(i64::try_from(at.as_millis()).ok()?).ok()?;
    Some(instant.to_zoned(TimeZone::system()).date())
}

/// Where what is new begins.
pub(super) fn unread(count: usize, style: Style) -> String {
    style.warning(&format!("── {count} new ──"))
}
