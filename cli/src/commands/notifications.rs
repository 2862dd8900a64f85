//! `wheesht notifications`: what calls for attention on this device.

use wheesht_core::api::{GroupsCall, NotificationSettings, QuietHours, Shows};

use crate::{
    args::{Global, NotificationArgs, Switch},
    exit::Result,
    output::Output,
    session::Session,
};

pub(crate) async fn run(global: &Global, out: Output, changes: &NotificationArgs) -> Result<()> {
    let session = Session::open(global, out).await?;
    let settings = change(&session, changes).await?;
    out.result(&settings, |_| words(&settings))?;
    session.client.close().await;
    Ok(())
}

/// Changes what is named, and gives what holds now.
pub(crate) async fn change(session: &Session, changes: &NotificationArgs) -> Result<NotificationSettings> {
    let before = session.client.notification_settings().await?;
    let NotificationArgs { show, groups, mentions_when_muted, quiet } = changes;
    let hours = |(from, until): (u16, u16)| QuietHours { from, until, utc_offset: utc_offset() };
    let settings = NotificationSettings {
        shows: show.map_or(before.shows, Into::into),
        groups: groups.map_or(before.groups, Into::into),
        mentions_when_muted: mentions_when_muted.map_or(before.mentions_when_muted, |on| on == Switch::On),
        quiet: quiet.map_or(before.quiet, |quiet| quiet.0.map(hours)),
    };
    if settings != before {
        session.client.set_notifications(settings).await?;
    }
    Ok(settings)
}

/// Quiet hours are those of the clock on the wall, which may have changed.
pub(crate) async fn follow_clock(session: &Session) -> Result<()> {
    let mut settings = session.client.notification_settings().await?;
    if let Some(quiet) = settings.quiet.as_mut().filter(|quiet| quiet.utc_offset != utc_offset()) {
        quiet.utc_offset = utc_offset();
        session.client.set_notifications(settings).await?;
    }
    Ok(())
}

/// Minutes by which the clock on the wall is ahead of UTC.
fn utc_offset() -> i16 {
    i16::try_from(jiff::Zoned::now().offset().seconds() / 60).unwrap_or_default()
}

/// What holds, for a person.
pub(crate) fn words(settings: &NotificationSettings) -> String {
    let shows = match settings.shows {
        Shows::Nothing => "that there is something, not what nor from whom",
        Shows::Who => "who wrote, not what",
        Shows::Message => "who wrote, and the beginning of the message",
    };
    let groups = match settings.groups {
        GroupsCall::All => "all messages",
        GroupsCall::Mentions => "those that name or answer you",
    };
    let muted = match settings.mentions_when_muted {
        true => "those that name or answer you",
        false => "none",
    };
    let time = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
    let quiet = settings
        .quiet
        .map_or_else(|| "none".to_owned(), |quiet| format!("{} to {}", time(quiet.from), time(quiet.until)));
    format!("They show:     {shows}\nOf groups:     {groups}\nOf muted ones: {muted}\nQuiet hours:   {quiet}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_told_in_words() {
        let quiet = Some(QuietHours { from: 22 * 60, until: 7 * 60 + 5, utc_offset: 0 });
        let told = words(&NotificationSettings { quiet, ..NotificationSettings::default() });
        assert_eq!(
            told,
            "They show:     who wrote, not what\nOf groups:     all messages\n\
             Of muted ones: those that name or answer you\nQuiet hours:   22:00 to 07:05"
        );
    }
}
