//! Whether somebody looks at the open conversation. A line editor can tell only by the keys: who has pressed one lately is there. The
//! engine is told, and doesn't call for what is looked at.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};
use wheesht_core::api::ConversationId;

use super::editor::lock;

/// What the engine was told is said again after this long, while it lasts: it counts for ten minutes.
const AGAIN: Duration = Duration::from_secs(300);

/// When a key was last pressed.
#[derive(Default)]
pub(crate) struct Keys {
    last: Mutex<Option<Instant>>,
    /// What stands in the line is for others to read.
    writes: AtomicBool,
    pressed: Notify,
}

impl Keys {
    /// One was pressed now; whether what stands in the line since is for others to read.
    pub(crate) fn press(&self, writes: bool) {
        self.writes.store(writes, Ordering::Relaxed);
        *lock(&self.last) = Some(Instant::now());
        self.pressed.notify_one();
    }

    /// Whether somebody is writing to others.
    pub(crate) fn writes(&self) -> bool {
        self.writes.load(Ordering::Relaxed)
    }

    /// Until the next one is.
    pub(crate) async fn pressed(&self) {
        self.pressed.notified().await;
    }
}

/// See the module's story.
pub(super) struct Attention {
    keys: Arc<Keys>,
    idle: Duration,
    told: Option<(ConversationId, Instant)>,
}

impl Attention {
    pub(super) fn new(keys: Arc<Keys>, idle: Duration) -> Self {
        Self { keys, idle, told: None }
    }

    /// Until when somebody counts as looking, if anybody does.
    pub(super) fn until(&self, now: Instant) -> Option<Instant> {
        let until = lock(&self.keys.last).map(|at| at + self.idle);
        until.filter(|until| *until > now)
    }

    /// What the engine has to be told, with this conversation open, if that is news.
    pub(super) fn news(
        &mut self,
        open: Option<ConversationId>,
        now: Instant,
    ) -> Option<Option<ConversationId>> {
        let looked_at = open.filter(|_| self.until(now).is_some());
        let known = match (looked_at, self.told) {
            (None, None) => true,
            (Some(open), Some((told, at))) => open == told && now.duration_since(at) < AGAIN,
            _ => false,
        };
        if known {
            return None;
        }
        self.told = looked_at.map(|open| (open, now));
        Some(looked_at)
    }
}

#[cfg(test)]
mod tests {
    use wheesht_core::proto::ids::AccountId;

    use super::*;

    const OPEN: ConversationId = ConversationId::Direct(AccountId::new([1; 32]));

    #[test]
    fn who_has_not_typed_is_not_looking() {
        let keys = Arc::<Keys>::default();
        let mut attention = Attention::new(keys.clone(), Duration::from_secs(30));
        let now = Instant::now();
        assert_eq!(attention.news(Some(OPEN), now), None);
        keys.press(true);
        assert!(keys.writes());
        assert_eq!(attention.news(Some(OPEN), now), Some(Some(OPEN)));
        assert_eq!(attention.news(Some(OPEN), now), None);
        let later = Instant::now() + Duration::from_secs(31);
        assert_eq!(attention.until(later), None);
        assert_eq!(attention.news(Some(OPEN), later), Some(None));
        assert_eq!(attention.news(Some(OPEN), later), None);
    }

    #[test]
    fn what_lasts_is_said_again() {
        let keys = Arc::<Keys>::default();
        let mut attention = Attention::new(keys.clone(), Duration::from_secs(30));
        let begun = Instant::now();
        let mut told = 0;
        for n in 0..60 {
            let now = begun + Duration::from_secs(20 * n);
            *lock(&keys.last) = Some(now);
            told += usize::from(attention.news(Some(OPEN), now).is_some());
        }
        assert_eq!(told, 4);
        assert_eq!(attention.news(None, begun), Some(None));
    }
}
