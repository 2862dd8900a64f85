//! A roster on its way: leaves, with the manifests that show whose devices they are, in parts that each fit a content.

use std::collections::BTreeSet;

use super::{
    super::{Ctx, EngineError},
    members,
};
use crate::protocol::group::Leaf;

/// Leaves and manifests in one content, in bytes: with what is around them they fit an envelope.
const PART: usize = 160 * 1024;

/// A roster of more leaves than these is not put beside a state, which alone may fill a content.
const BESIDE_STATE: usize = 32;

/// Encoded leaves, and encoded manifests.
pub(super) type Part = (Vec<Vec<u8>>, Vec<Vec<u8>>);

/// Leaves, and the manifests of their accounts, in parts that each fit a content. There is at least one; of a large
/// roster the first is empty, for what comes with it.
pub(super) fn parts<'l>(
    ctx: &mut Ctx<'_, '_>,
    leaves: impl Iterator<Item = &'l Leaf>,
) -> Result<Vec<Part>, EngineError> {
    let mut parts: Vec<Part> = Vec::new();
    let (mut part, mut size) = ((Vec::new(), Vec::new()), 0);
    let mut shown = BTreeSet::new();
    let leaves: Vec<_> = leaves.collect();
    // A state of many members fills a content alone.
    if leaves.len() > BESIDE_STATE {
        parts.push(Default::default());
    }
    for leaf in leaves {
        let account = leaf.identity();
        if shown.insert(account) {
            for manifest in members::manifests(ctx, [account])? {
                size += manifest.len();
                part.1.push(manifest);
            }
        }
        size += leaf.encoded().len();
        part.0.push(leaf.encoded().to_vec());
        if size >= PART {
            parts.push(std::mem::take(&mut part));
            size = 0;
        }
    }
    if !part.0.is_empty() || parts.is_empty() {
        parts.push(part);
    }
    Ok(parts)
}
