//! New keys to be reached with: profile key, address book and the key that writes it, and another address. Whoever has the old ones
//! is left behind; contacts are given the new ones, and answer with theirs, which says that they know.
//!
//! One device replaces the keys; each of its siblings takes another address when it finds them replaced.

use wheesht_proto::prost::Message as _;

use super::{
    super::{Ctx, EngineError, people},
    addresses, book, closing, me, register, vault,
};

/// Replaces them.
// DEV-16, DEV-19
pub(crate) fn rotate(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let (Some(own), Some(row)) = (vault::own(ctx)?, me::row(ctx)?) else { return Ok(()) };
    closing::book(ctx, &own)?;
    let next = register::new_own(ctx, own.request_address.clone(), row.state_key_epoch);
    vault::put(ctx, vault::OWN, next.encode_to_vec())?;
    book::replaced(ctx)?;
    addresses::rotate(ctx)?;
    people::keys_rotated(ctx)
}
