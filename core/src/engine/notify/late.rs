//! Messages that came late, or too fast to tell of each: gathered for a moment, and told in one.

use std::collections::BTreeMap;

use super::{
    super::{Ctx, EngineError, messaging, timers::Timer},
    is_looked_at, is_quiet, settings, words,
};
use crate::{
    api::{ConversationId, Notification},
    time::Timestamp,
};

/// It is told when nothing more has come for so long (milliseconds), or so long after the first.
const PAUSES: (u64, u64) = (2_000, 10_000);
/// Conversations told apart.
const MAX_CONVERSATIONS: usize = 64;

/// See the module's story.
#[derive(Default)]
pub(super) struct Late {
    since: Option<Timestamp>,
    conversations: BTreeMap<ConversationId, Gathered>,
    /// Messages in conversations beyond those.
    others: u64,
}

struct Gathered {
    count: u64,
    name: String,
    /// The last one, to be shown as it is if it is the only one.
    last: Notification,
}

impl Late {
    /// What was said there has been seen.
    pub(super) fn forget(&mut self, id: &ConversationId) {
        self.conversations.remove(id);
    }
}

/// Whether something is being gathered: what comes then joins it, so that nothing is told out of order.
pub(super) fn waits(ctx: &Ctx<'_, '_>) -> bool {
    ctx.passing.notify.late.since.is_some()
}

/// Gathers one.
pub(super) fn add(ctx: &mut Ctx<'_, '_>, id: ConversationId, last: Notification, name: String) {
    let now = ctx.now;
    let late = &mut ctx.passing.notify.late;
    let since = *late.since.get_or_insert(now);
    let full = late.conversations.len() >= MAX_CONVERSATIONS;
    match late.conversations.get_mut(&id) {
        Some(gathered) => {
            gathered.count += 1;
            gathered.last = last;
        }
        None if full => late.others += 1,
        None => drop(late.conversations.insert(id, Gathered { count: 1, name, last })),
    }
    let at = now.plus_millis(PAUSES.0).min(since.plus_millis(PAUSES.1));
    ctx.passing.timers.set(Timer::Notify, at);
}

/// What is to be told of all that was gathered and has not been seen since.
pub(super) fn take(ctx: &mut Ctx<'_, '_>) -> Result<Option<Notification>, EngineError> {
    let Late { conversations, others, .. } = std::mem::take(&mut ctx.passing.notify.late);
    if is_quiet(ctx)? {
        return Ok(None);
    }
    let mut left = Vec::new();
    for (id, mut gathered) in conversations {
        // Another device may have read some of it.
        gathered.count = gathered.count.min(messaging::unread(ctx, &id)?);
        if gathered.count > 0 && !is_looked_at(ctx, &id) {
            left.push((id, gathered));
        }
    }
    let count = left.iter().map(|(_, gathered)| gathered.count).sum::<u64>() + others;
    if count <= 1 {
        return Ok(left.pop().map(|(_, gathered)| gathered.last));
    }
    // Where most is first.
    left.sort_by_key(|(_, gathered)| std::cmp::Reverse(gathered.count));
    let one = match left.as_slice() {
        [(id, _)] if others == 0 => Some(*id),
        _ => None,
    };
    let names: Vec<_> = left.iter().map(|(_, gathered)| gathered.name.as_str()).collect();
    Ok(Some(words::several(settings::load(ctx)?.shows, one, count, &names, others > 0)))
}
