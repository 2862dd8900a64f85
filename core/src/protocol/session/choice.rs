//! On which of several sessions to send: a rule that both sides compute alike.
//!
//! Every session has a *generation*: one more than that of every session its initiator had with that device. The highest
//! generation wins, so a session set up anew replaces what was there. Two of one generation were begun at once; of these the
//! lower id wins, and since a derived id is beyond either side's control, neither is favoured. Once both sides hold both
//! sessions, they send on the same one; until then each sends on one that the other has or can set up from any message.

use std::cmp::Reverse;

use super::{Session, SessionId};
use crate::proto::limits::MAX_SESSIONS;

/// A session's place among those of one pair of devices. The highest is sent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    generation: u32,
    id: Reverse<SessionId>,
}

impl Session {
    /// Its place among those with the same device.
    // SES-13
    pub fn rank(&self) -> Rank {
        Rank { generation: self.generation, id: Reverse(self.id) }
    }
}

/// The session to send on, of all those with one device.
pub fn choose(sessions: &[Session]) -> Option<&Session> {
    sessions.iter().max_by_key(|session| session.rank())
}

/// The generation of a session to be begun beside these.
pub fn next_generation(sessions: &[Session]) -> u32 {
    sessions.iter().map(|session| session.generation).max().map_or(0, |highest| highest.saturating_add(1))
}

/// The sessions beyond the number kept for one device, lowest rank first: delete their rows and their skipped keys.
// SES-14
pub fn surplus(sessions: &[Session]) -> Vec<SessionId> {
    let mut ranked: Vec<_> = sessions.iter().map(|session| (session.rank(), session.id)).collect();
    ranked.sort_unstable();
    let excess = ranked.len().saturating_sub(MAX_SESSIONS);
    ranked.into_iter().take(excess).map(|(_, id)| id).collect()
}
