//! Files as the app sees them.

use wheesht_proto::stored::FileRow;

use super::transfer;
use crate::{
    api::{Error, ErrorCode, File, FileState, Picture},
    engine::{Ctx, EngineError},
};

/// A file as the app sees it.
pub(in super::super) fn file(ctx: &Ctx<'_, '_>, row: FileRow) -> Result<File, EngineError> {
    let state = state(ctx, &row)?;
    let reference = row.reference.unwrap_or_default();
    let (width, height) = (reference.width, reference.height);
    Ok(File {
        name: reference.name,
        size: reference.size,
        media_type: reference.media_type,
        preview: Some(reference.preview).filter(|preview| !preview.is_empty()).map(Picture::new),
        dimensions: (width > 0 && height > 0).then_some((width, height)),
        voice: reference.voice,
        duration_ms: Some(reference.duration_ms).filter(|duration| *duration > 0),
        state,
    })
}

/// How far it is.
pub(super) fn state(ctx: &Ctx<'_, '_>, file: &FileRow) -> Result<FileState, EngineError> {
    let row = if file.transfer == 0 { None } else { transfer(ctx, file.transfer)? };
    let Some(row) = row else {
        return Ok(match file.path.as_str() {
            "" => FileState::Remote,
            path => FileState::Saved { path: path.to_owned() },
        });
    };
    let files = &ctx.passing.messaging.files;
    Ok(if !row.stopped.is_empty() {
        let unknown = || Error::new(ErrorCode::Internal, "It has stopped.");
        FileState::Stopped { error: serde_json::from_str(&row.stopped).unwrap_or_else(|_| unknown()) }
    } else if row.paused {
        FileState::Paused
    } else if files.running.contains_key(&file.transfer) {
        FileState::Moving
    } else {
        let retry = files.retry.get(&file.transfer);
        FileState::Waiting { error: retry.and_then(|retry| retry.error.clone()) }
    })
}
