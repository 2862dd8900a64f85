//! Room on the disk. Below a reserve the relay takes in nothing more, so that what it has can still be read, acked and deleted,
//! and so that it can start again: a disk that is full to the last byte refuses even that.

use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

/// What is left of a disk, as of the last look.
pub(super) struct Room {
    directory: PathBuf,
    reserve: u64,
    low: AtomicBool,
}

impl Room {
    /// Looks for the first time.
    pub(super) fn of(directory: &Path, reserve: u64) -> io::Result<Self> {
        let room = Self { directory: directory.to_owned(), reserve, low: AtomicBool::new(false) };
        fs4::available_space(&room.directory)?;
        room.look();
        Ok(room)
    }

    /// Looks again. Whether less is left than the reserve; a system that doesn't tell leaves that as it was.
    pub(super) fn look(&self) -> bool {
        if let Ok(left) = fs4::available_space(&self.directory) {
            let low = left < self.reserve;
            if self.low.swap(low, Ordering::Relaxed) != low {
                let left = left >> 20;
                if low {
                    tracing::error!(
                        left_mib = left,
                        "the disk is nearly full: nothing more is taken until there is room"
                    );
                } else {
                    tracing::info!(left_mib = left, "there is room on the disk again");
                }
            }
        }
        self.is_low()
    }

    /// REL-7
    pub(super) fn is_low(&self) -> bool {
        self.low.load(Ordering::Relaxed)
    }
}
