//! Messages of a store of before there was an index: they are taken in a few at a time, the newest conversations last.

use super::{
    super::{messaging, tables::SEARCH_STATE},
    merge::BATCH,
    waiting,
};
use crate::engine::{Ctx, EngineError, timers::Timer};

/// Messages taken in at once.
const AT_ONCE: usize = 128;

/// Begins, if there is anything.
pub(super) fn start(ctx: &mut Ctx<'_, '_>) -> Result<(), EngineError> {
    let mut state = waiting::state(ctx)?;
    if state.filled {
        return Ok(());
    }
    if messaging::next_conversation(ctx, 0)?.is_none() {
        state.filled = true;
        ctx.save(SEARCH_STATE, b"", 0, &state);
        return Ok(());
    }
    let at = ctx.now.plus_millis(1);
    ctx.passing.timers.set_by(Timer::Search, at);
    Ok(())
}

/// Whether all messages are in.
pub(super) fn is_done(ctx: &Ctx<'_, '_>) -> Result<bool, EngineError> {
    Ok(waiting::state(ctx)?.filled)
}

/// A few more. Gives whether there may be others.
pub(super) fn step(ctx: &mut Ctx<'_, '_>) -> Result<bool, EngineError> {
    let mut state = waiting::state(ctx)?;
    if state.filled || ctx.passing.search.waiting.len() >= BATCH {
        return Ok(false);
    }
    match messaging::next_conversation(ctx, state.filled_conversation)? {
        None => state.filled = true,
        Some(number) => {
            let after = state.filled_position;
            match messaging::index_entries(ctx, number, after, AT_ONCE)? {
                Some(last) => state.filled_position = last,
                None => (state.filled_conversation, state.filled_position) = (number, 0),
            }
        }
    }
    ctx.save(SEARCH_STATE, b"", 0, &state);
    Ok(!state.filled)
}
