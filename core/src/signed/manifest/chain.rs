//! Several versions at once: what follows a known one, or the whole history.

use wheesht_proto::address::Address;

use super::{Manifest, ManifestError, UnverifiedManifest};

/// Verifies encoded versions that follow `anchor`, oldest first, and gives them in that order. The anchor
/// itself may be among them: it and what stands before it are passed over. A relay asked for "from version n on" begins with
/// n, and by the time it answers, more than n may be known.
///
/// # Errors
/// Those of [`UnverifiedManifest::verify_next`].
pub fn verify_chain<B: AsRef<[u8]>>(
    anchor: &Manifest,
    encoded: &[B],
) -> Result<Vec<Manifest>, ManifestError> {
    let is_anchor = |bytes: &B| {
        UnverifiedManifest::decode(bytes.as_ref())
            .is_ok_and(|one| one.version() == anchor.version() && one.hash() == anchor.hash())
    };
    let known = encoded.iter().position(is_anchor).map_or(0, |position| position + 1);
    let mut verified: Vec<Manifest> = Vec::with_capacity(encoded.len());
    for bytes in encoded.iter().skip(known) {
        let next =
            UnverifiedManifest::decode(bytes.as_ref())?.verify_next(verified.last().unwrap_or(anchor))?;
        verified.push(next);
    }
    Ok(verified)
}

/// Verifies an account's whole history from its first version on, oldest first, and gives it in that order.
///
/// # Errors
/// Those of [`UnverifiedManifest::verify_first`] and [`UnverifiedManifest::verify_next`]; [`ManifestError::Malformed`] if
/// there is no version at all.
pub fn verify_history<B: AsRef<[u8]>>(
    address: &Address,
    encoded: &[B],
) -> Result<Vec<Manifest>, ManifestError> {
    let (first, later) = encoded.split_first().ok_or(ManifestError::Malformed)?;
    let first = UnverifiedManifest::decode(first.as_ref())?.verify_first(address)?;
    let mut history = vec![first];
    for bytes in later {
        let previous = history.last().ok_or(ManifestError::Malformed)?;
        let next = UnverifiedManifest::decode(bytes.as_ref())?.verify_next(previous)?;
        history.push(next);
    }
    Ok(history)
}
