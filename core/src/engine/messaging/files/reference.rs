//! What a message says of a file: whether it makes sense, and which relay it may lead to.

use wheesht_proto::{
    address::RelayAddress,
    content::FileRef,
    ids::BlobId,
    limits::{MAX_CAPTURED, MAX_PREVIEW},
    stored::{FileRow, HistoryEntry},
};

use super::{
    super::{
        super::{Ctx, EngineError, account, groups, people, tables::HISTORY},
        row_id,
    },
    name,
};
use crate::{
    api::ConversationId,
    crypto::secret::Secret as _,
    engine::blobs::Blob,
    protocol::attachment::{Digest, FileKey, Layout},
};

/// Whether a reference names a file that there can be.
// FIL-8
pub(in super::super) fn is_sound(reference: &FileRef) -> bool {
    parts(reference).is_some() && reference.relay.parse::<RelayAddress>().is_ok()
}

/// What is kept of a sound reference: everything in it that is shown or written is made safe.
// FIL-8, FIL-13
pub(in super::super) fn taken(mut reference: FileRef) -> FileRow {
    reference.name = name::clean(&reference.name);
    reference.media_type = name::clean_type(&reference.media_type);
    if reference.preview.len() > MAX_PREVIEW || !is_jpeg(&reference.preview) {
        reference.preview.clear();
    }
    reference.duration_ms = reference.duration_ms.min(MAX_CAPTURED);
    FileRow { reference: Some(reference), ..Default::default() }
}

/// What an export says of a file: without what leads to it.
pub(in super::super) fn imported(file: crate::api::File) -> FileRow {
    let (width, height) = file.dimensions.unwrap_or_default();
    taken(FileRef {
        size: file.size,
        name: file.name,
        media_type: file.media_type,
        preview: file.preview.map(|preview| preview.bytes().to_vec()).unwrap_or_default(),
        width,
        height,
        voice: file.voice,
        duration_ms: file.duration_ms.unwrap_or_default(),
        ..Default::default()
    })
}

/// A picture that is no JPEG is not shown: whoever decodes it needs one decoder, and not the one that a sender chooses.
fn is_jpeg(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xff, 0xd8, 0xff])
}

/// Id, key and digest.
pub(super) fn parts(reference: &FileRef) -> Option<(BlobId, FileKey, Digest)> {
    let id = reference.blob_id.as_slice().try_into().ok()?;
    let key: &[u8; 32] = reference.key.as_slice().try_into().ok()?;
    let digest = Digest { size: reference.size, sha256: reference.sha256.as_slice().try_into().ok()? };
    Layout::of(digest.size).ok()?;
    Some((id, FileKey::restore(key), digest))
}

/// The blob that a message's file is, if its reference leads to a relay where it may lie.
pub(super) fn blob(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    entry: &HistoryEntry,
) -> Result<Option<Blob>, EngineError> {
    let Some(reference) = entry.file.as_ref().and_then(|file| file.reference.as_ref()) else {
        return Ok(None);
    };
    let Some((blob, key, digest)) = parts(reference) else { return Ok(None) };
    let relay = relay(ctx, id, entry, reference)?;
    Ok(relay.map(|relay| Blob { relay, id: blob, key, digest }))
}

/// Where a file lies: on the relay of whoever sent it, or on that of whoever it was sent to. It is reached as that relay is known
/// here, never as the reference would have it.
// FIL-9
fn relay(
    ctx: &mut Ctx<'_, '_>,
    id: &ConversationId,
    entry: &HistoryEntry,
    reference: &FileRef,
) -> Result<Option<RelayAddress>, EngineError> {
    let Ok(named) = reference.relay.parse::<RelayAddress>() else { return Ok(None) };
    let same = |relay: &RelayAddress| relay.authority() == named.authority();
    if let Some(own) = account::own_link(ctx)?.filter(|own| same(&own.relay)) {
        return Ok(Some(own.relay));
    }
    let other = match id {
        ConversationId::Direct(with) => *with,
        // What one sends into a group lies on one's own relay.
        ConversationId::Group(_) if entry.outgoing => return Ok(None),
        ConversationId::Group(_) => row_id(&entry.sender, HISTORY)?,
    };
    let known = people::by_id(ctx, &other)?.map(|contact| contact.address.relay().clone());
    if let Some(known) = known.filter(same) {
        return Ok(Some(known));
    }
    let ConversationId::Group(group) = id else { return Ok(None) };
    let group = groups::load(ctx, group)?;
    let member = group.and_then(|group| Some(group.state().member(&other)?.address.relay().clone()));
    Ok(member.filter(same))
}

/// Whether a file that lies there may be sent on as it lies: every recipient must be allowed to fetch it (FIL-9).
pub(super) fn may_refer(
    ctx: &mut Ctx<'_, '_>,
    to: &ConversationId,
    reference: &FileRef,
) -> Result<bool, EngineError> {
    let entry = HistoryEntry { outgoing: true, ..Default::default() };
    Ok(relay(ctx, to, &entry, reference)?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference() -> FileRef {
        FileRef {
            relay: "relay.test".to_owned(),
            blob_id: vec![1; 32],
            key: vec![2; 32],
            size: 5,
            sha256: vec![3; 32],
            name: "../x\u{202e}".to_owned(),
            media_type: "nonsense".to_owned(),
            preview: b"GIF89a".to_vec(),
            ..Default::default()
        }
    }

    #[test]
    fn fil_8_a_reference_that_makes_no_sense_is_none() {
        assert!(is_sound(&reference()));
        for wrong in [
            FileRef { blob_id: vec![1; 31], ..reference() },
            FileRef { key: Vec::new(), ..reference() },
            FileRef { sha256: vec![3; 33], ..reference() },
            FileRef { size: u64::MAX, ..reference() },
            FileRef { size: 3 << 30, ..reference() },
            FileRef { relay: "not a host".to_owned(), ..reference() },
            FileRef { relay: String::new(), ..reference() },
        ] {
            assert!(!is_sound(&wrong));
        }
    }

    #[test]
    fn fil_8_what_is_kept_of_a_reference_is_safe() {
        let kept = taken(reference()).reference.unwrap();
        assert_eq!((kept.name.as_str(), kept.media_type.as_str()), ("x", "application/octet-stream"));
        assert!(kept.preview.is_empty(), "a preview is a JPEG");
        let preview = |length: usize| {
            let mut preview = vec![0; length];
            preview.splice(..3, [0xff, 0xd8, 0xff]);
            taken(FileRef { preview, ..reference() }).reference.unwrap().preview.len()
        };
        assert_eq!(preview(MAX_PREVIEW), MAX_PREVIEW);
        assert_eq!(preview(MAX_PREVIEW + 1), 0);
    }
}
