//! Finding messages by their words, in any script, without anybody who has the disk learning one.
//!
//! ```text
//!  message written, changed, gone ─▶ [waiting] one row ──▶ [merge] many at once ─▶ [lists] where a term stands
//!                                        │                                    └──▶ [dictionary], [messages]
//!  Search ─▶ [query] ─▶ [find] ◀─────────┴── [lists], [dictionary] ─▶ the messages themselves ─▶ [marks] ─▶ hits
//! ```
//!
//! The index knows a message by a number that follows the time at which it was written; so lists come in the order of time, and a span
//! of time is a span of numbers. Rows' keys are pseudorandom in term and number, as all rows' are. A hit is what the message itself
//! says, whatever the index promised.

mod dictionary;
mod fill;
mod find;
mod lists;
mod marks;
mod merge;
mod messages;
mod postings;
mod query;
mod tables;
mod terms;
#[cfg(test)]
mod tests;
mod waiting;
mod words;

pub(crate) use find::search;
pub(crate) use merge::due;
pub(crate) use waiting::{added, changed, removed, text_of};
pub(crate) use words::fold;

use super::{Ctx, EngineError};

/// State that may vanish.
#[derive(Default)]
pub(crate) struct Passing {
    waiting: waiting::Waiting,
    job: Option<merge::Job>,
    /// Something that went is still in the lists.
    gone: bool,
}

/// After opening the store.
pub(crate) fn start(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    waiting::start(ctx)?;
    merge::start(ctx);
    fill::start(ctx)
}
