//! Settings of the account that concern messages. They stand in the vault, so that every device follows them, and in a row of
//! their own, where they are read.

use wheesht_proto::stored::Settings;

use super::super::{Ctx, EngineError, account::vault, error::Answer, tables::SETTINGS};
use crate::{
    api::{ConversationId, EventKind, Response},
    time::Timestamp,
};

/// The vault's entry.
const READ_RECEIPTS: &str = "setting/read_receipts";

/// The vault's entry: eight bytes.
const AUTO_DOWNLOAD: &str = "setting/auto_download_bytes";

/// Where nothing was set: a picture or a voice note, but no film over a telephone's line.
const AUTO_DOWNLOAD_DEFAULT: u64 = 5 << 20;

/// What the entries begin with that say until when a conversation is muted.
const MUTE: &str = "setting/mute/";

/// Those that say that a conversation is put away.
const ARCHIVE: &str = "setting/archive/";

/// Whether read receipts are sent and shown.
pub(super) fn read_receipts(ctx: &Ctx<'_, '_>) -> Result<bool, EngineError> {
    Ok(load(ctx)?.read_receipts.unwrap_or(true))
}

/// Files of contacts up to this size are fetched by themselves.
pub(super) fn auto_download(ctx: &Ctx<'_, '_>) -> Result<u64, EngineError> {
    Ok(load(ctx)?.auto_download_bytes.unwrap_or(AUTO_DOWNLOAD_DEFAULT))
}

/// Sets that, on every device.
pub(super) fn set_auto_download(ctx: &mut Ctx<'_, '_>, bytes: u64) -> Answer {
    let settings = load(ctx)?;
    save(ctx, &Settings { auto_download_bytes: Some(bytes), ..settings });
    vault::put(ctx, AUTO_DOWNLOAD, bytes.to_be_bytes().to_vec())?;
    Ok(Some(Response::Done))
}

/// `Settings`.
pub(super) fn list(ctx: &Ctx<'_, '_>) -> Answer {
    Ok(Some(Response::Settings { read_receipts: read_receipts(ctx)?, auto_download: auto_download(ctx)? }))
}

/// Turns them on or off, on every device.
pub(super) fn set_read_receipts(ctx: &mut Ctx<'_, '_>, on: bool) -> Answer {
    let settings = load(ctx)?;
    save(ctx, &Settings { read_receipts: Some(on), ..settings });
    vault::put(ctx, READ_RECEIPTS, vec![u8::from(on)])?;
    Ok(Some(Response::Done))
}

/// Another device has changed an entry.
pub(super) fn changed(ctx: &mut Ctx<'_, '_>, key: &str, value: Option<&[u8]>) -> Result<(), EngineError> {
    if key == READ_RECEIPTS {
        let settings = load(ctx)?;
        save(ctx, &Settings { read_receipts: value.map(|value| value != [0]), ..settings });
    } else if key == AUTO_DOWNLOAD {
        let bytes = value.and_then(|value| value.try_into().ok()).map(u64::from_be_bytes);
        let settings = load(ctx)?;
        save(ctx, &Settings { auto_download_bytes: bytes, ..settings });
    } else if let Some(id) =
        key.strip_prefix(MUTE).or(key.strip_prefix(ARCHIVE)).and_then(|id| id.parse().ok())
    {
        return ctx.event(EventKind::ConversationChanged { conversation: id });
    }
    Ok(())
}

/// Mutes a conversation, or no longer does.
pub(super) fn mute(ctx: &mut Ctx<'_, '_>, id: &ConversationId, until: Option<Timestamp>) -> Answer {
    let key = format!("{MUTE}{id}");
    match until {
        Some(until) => vault::put(ctx, &key, until.as_millis().to_be_bytes().to_vec())?,
        None => vault::delete(ctx, &key)?,
    }
    ctx.event(EventKind::ConversationChanged { conversation: *id })?;
    Ok(Some(Response::Done))
}

/// Until when a conversation is muted.
pub(super) fn muted_until(ctx: &Ctx<'_, '_>, id: &ConversationId) -> Result<Option<Timestamp>, EngineError> {
    let value = vault::get(ctx, &format!("{MUTE}{id}"))?;
    let until = value.and_then(|value| value.as_slice().try_into().ok().map(u64::from_be_bytes));
    Ok(until.map(Timestamp::from_millis).filter(|until| *until > ctx.now))
}

/// Puts a conversation away, or takes it back.
pub(super) fn archive(ctx: &mut Ctx<'_, '_>, id: &ConversationId, archived: bool) -> Answer {
    let key = format!("{ARCHIVE}{id}");
    if archived {
        vault::put(ctx, &key, vec![1])?;
    } else if is_archived(ctx, id)? {
        vault::delete(ctx, &key)?;
    }
    ctx.event(EventKind::ConversationChanged { conversation: *id })?;
    Ok(Some(Response::Done))
}

/// Whether a conversation is put away.
pub(super) fn is_archived(ctx: &Ctx<'_, '_>, id: &ConversationId) -> Result<bool, EngineError> {
    Ok(vault::get(ctx, &format!("{ARCHIVE}{id}"))?.is_some())
}

/// Nothing is remembered of a conversation that is gone.
pub(super) fn forget(ctx: &mut Ctx<'_, '_>, id: &ConversationId) -> Result<(), EngineError> {
    for key in [format!("{MUTE}{id}"), format!("{ARCHIVE}{id}")] {
        if vault::get(ctx, &key)?.is_some() {
            vault::delete(ctx, &key)?;
        }
    }
    Ok(())
}

fn load(ctx: &Ctx<'_, '_>) -> Result<Settings, EngineError> {
    Ok(ctx.load(SETTINGS, b"", 0)?.unwrap_or_default())
}

fn save(ctx: &mut Ctx<'_, '_>, settings: &Settings) {
    ctx.save(SETTINGS, b"", 0, settings);
}
