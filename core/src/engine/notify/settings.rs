//! What calls on this device. It is the device's own: what may be seen depends on who sees its screen.

use super::super::{Ctx, EngineError, error::Answer, tables::NOTIFICATIONS};
use crate::{
    api::{Error, ErrorCode, NotificationSettings, QuietHours, Response},
    time::Timestamp,
};

const MINUTE_MS: u64 = 60_000;
const DAY_MINUTES: u16 = 24 * 60;

pub(super) fn load(ctx: &mut Ctx<'_, '_>) -> Result<NotificationSettings, EngineError> {
    if let Some(settings) = ctx.passing.notify.settings {
        return Ok(settings);
    }
    let unreadable = |_| EngineError::Row { what: NOTIFICATIONS.name() };
    let settings = match ctx.tx.get(NOTIFICATIONS, b"", 0)? {
        Some(row) => serde_json::from_slice(&row).map_err(unreadable)?,
        None => NotificationSettings::default(),
    };
    ctx.passing.notify.settings = Some(settings);
    Ok(settings)
}

pub(super) fn set(ctx: &mut Ctx<'_, '_>, settings: NotificationSettings) -> Answer {
    let sound = |quiet: QuietHours| {
        quiet.from < DAY_MINUTES
            && quiet.until < DAY_MINUTES
            && quiet.from != quiet.until
            && quiet.utc_offset.unsigned_abs() <= DAY_MINUTES
    };
    if !settings.quiet.is_none_or(sound) {
        let error = Error::new(ErrorCode::Invalid, "Quiet hours lie between two times of a day.")
            .next("Give two different times, in minutes after midnight.");
        return Err(error.into());
    }
    let row = serde_json::to_vec(&settings).map_err(|_| EngineError::Row { what: NOTIFICATIONS.name() })?;
    ctx.tx.put(NOTIFICATIONS, b"", 0, row);
    ctx.passing.notify.settings = Some(settings);
    Ok(Some(Response::Done))
}

/// Whether a moment lies in these hours.
pub(super) fn falls_into(quiet: &QuietHours, at: Timestamp) -> bool {
    let day = i64::from(DAY_MINUTES);
    let minutes = i64::try_from(at.as_millis() / MINUTE_MS).unwrap_or_default();
    let minute = (minutes + i64::from(quiet.utc_offset)).rem_euclid(day);
    let (from, until) = (i64::from(quiet.from), i64::from(quiet.until));
    match from < until {
        true => (from..until).contains(&minute),
        false => minute >= from || minute < until,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: u64, minute: u64) -> Timestamp {
        Timestamp::from_millis(20_000 * wheesht_proto::limits::DAY_MS + (hour * 60 + minute) * MINUTE_MS)
    }

    #[test]
    fn quiet_hours_may_go_past_midnight() {
        let night = QuietHours { from: 22 * 60, until: 7 * 60, utc_offset: 0 };
        for (hour, minute, quiet) in
            [(21, 59, false), (22, 0, true), (0, 0, true), (6, 59, true), (7, 0, false), (12, 0, false)]
        {
            assert_eq!(falls_into(&night, at(hour, minute)), quiet, "{hour}:{minute}");
        }
        let lunch = QuietHours { from: 12 * 60, until: 13 * 60, utc_offset: 0 };
        assert!(falls_into(&lunch, at(12, 30)) && !falls_into(&lunch, at(13, 0)));
    }

    #[test]
    fn quiet_hours_are_those_of_the_wall() {
        let lunch = |utc_offset| QuietHours { from: 12 * 60, until: 13 * 60, utc_offset };
        assert!(falls_into(&lunch(120), at(10, 30)));
        assert!(!falls_into(&lunch(120), at(12, 30)));
        assert!(falls_into(&lunch(-300), at(17, 30)));
        assert!(falls_into(&lunch(-5 * 60), Timestamp::from_millis(17 * 60 * MINUTE_MS)));
        assert!(!falls_into(&lunch(-5 * 60), Timestamp::default()));
    }
}
