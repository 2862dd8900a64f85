//! A backup: an export of everything under a passphrase, and its restoration on another machine.
//!
//! It holds what was said and what was noted, and no key of any kind: whoever restores it has logged in as a new device first, which has keys
//! of its own, and no session of before is taken up. Everything is decrypted and looked at once before anything is taken in.
// BAK-3, BAK-4

use std::path::{Path, PathBuf};

use tokio::{
    fs::File,
    io::{AsyncReadExt as _, BufReader},
};
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    export::{Exported, Sink},
    files::{Part, failed},
    import::{ImportReport, Source, check, too_long},
    json,
};
use crate::{
    api::{Error, ErrorCode, ExportLine, Password},
    backup::{BackupError, CHUNK, Chunks, HEADER, SEALED_CHUNK},
    client::{Client, clock},
    store::PassphraseCost,
};

/// What a backup holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backup {
    /// Conversations.
    pub conversations: u64,
    /// Messages, notices among them.
    pub messages: u64,
}

/// What was restored.
pub type Restored = ImportReport;

impl Client {
    /// Writes a backup of history, notes about contacts and settings. It appears when it is whole.
    ///
    /// # Errors
    /// If the file can't be written, or is there already; if the passphrase is too short.
    pub async fn create_backup(&self, to: &Path, passphrase: &Password) -> Result<Backup, Error> {
        self.create_backup_at(to, passphrase, PassphraseCost::DEFAULT).await
    }

    /// The same, with what it costs to try a passphrase.
    ///
    /// # Errors
    /// As above.
    pub async fn create_backup_at(
        &self,
        to: &Path,
        passphrase: &Password,
        cost: PassphraseCost,
    ) -> Result<Backup, Error> {
        // BAK-1
        if passphrase.expose().chars().count() < MIN_PASSPHRASE {
            let error =
                Error::new(ErrorCode::WeakPassword, "A backup's passphrase has at least 10 characters.");
            return Err(error.next("Take several words; wheesht makes some up with --generate."));
        }
        let part = Part::create(to).await?;
        let text = Zeroizing::new(passphrase.expose().to_owned());
        let work = move || Chunks::create(&text, cost, &mut clock::rng());
        let (header, chunks) = tokio::task::spawn_blocking(work).await.map_err(|_| interrupted())?;
        let mut sealed = Sealed { part, chunks, waiting: Vec::with_capacity(2 * CHUNK) };
        sealed.part.write(&header).await?;
        let mut done = Exported::default();
        let (contacts, conversations) = (self.contacts().await?, self.conversations().await?);
        let settings = self.settings_line().await?;
        self.lines(&mut sealed, Some(settings), contacts, conversations, &mut done).await?;
        sealed.finish().await?;
        Ok(Backup { conversations: done.conversations, messages: done.messages })
    }

    /// Takes in a backup of this account. The whole of it is opened and looked at first: a wrong passphrase, or a file that is damaged or
    /// not whole, changes nothing here.
    ///
    /// # Errors
    /// See above; if it is a backup of another account.
    pub async fn restore_backup(&self, from: &Path, passphrase: &Password) -> Result<Restored, Error> {
        let mut opened = Opened::open(from, passphrase).await?;
        let first = opened.next().await?.unwrap_or_default();
        self.is_own(json::read(&first)?).await?;
        let mut again = opened.rewind().await?;
        check(&mut again).await?;
        self.take_in(&mut again.rewind().await?, true).await
    }

    // BAK-5
    async fn is_own(&self, header: Option<ExportLine>) -> Result<(), Error> {
        let Some(ExportLine::Header { account, address, .. }) = header else {
            return Err(told(BackupError::Damaged));
        };
        let status = self.status().await?;
        match status.account {
            Some(own) if own == account => Ok(()),
            Some(_) => {
                let sentence =
                    format!("This is a backup of {}, and here is another account.", address.canonical());
                Err(Error::new(ErrorCode::Invalid, sentence)
                    .next("Log in to that account first, or export and import what you want."))
            }
            None => Err(Error::new(ErrorCode::NoAccount, "There is no account here yet.")
                .next("Log in first: the backup holds no keys. Then restore it.")),
        }
    }
}

const MIN_PASSPHRASE: usize = 10;

/// Lines on their way into chunks.
struct Sealed {
    part: Part,
    chunks: Chunks,
    waiting: Vec<u8>,
}

impl Sink for Sealed {
    async fn put(&mut self, line: &str) -> Result<(), Error> {
        self.waiting.extend_from_slice(line.as_bytes());
        // One chunk at least stays, to be the last.
        while self.waiting.len() > CHUNK {
            let rest = self.waiting.split_off(CHUNK);
            let mut content = std::mem::replace(&mut self.waiting, rest);
            let sealed = self.chunks.seal(&content, false).map_err(told);
            content.zeroize();
            self.part.write(&sealed?).await?;
        }
        Ok(())
    }
}

impl Sealed {
    async fn finish(mut self) -> Result<(), Error> {
        let last = self.chunks.seal(&self.waiting, true).map_err(told)?;
        self.waiting.zeroize();
        self.part.write(&last).await?;
        self.part.finish().await
    }
}

/// Lines out of chunks.
struct Opened {
    path: PathBuf,
    header: [u8; HEADER],
    passphrase: Zeroizing<String>,
    reader: BufReader<File>,
    chunks: Chunks,
    /// The next chunk as it stands in the file: whether it is the last is known when nothing comes after it.
    next: Vec<u8>,
    content: Zeroizing<Vec<u8>>,
    at: usize,
    ended: bool,
}

impl Opened {
    async fn open(path: &Path, passphrase: &Password) -> Result<Self, Error> {
        Self::begin(path.to_owned(), Zeroizing::new(passphrase.expose().to_owned())).await
    }

    async fn begin(path: PathBuf, passphrase: Zeroizing<String>) -> Result<Self, Error> {
        let file = File::open(&path).await.map_err(|error| failed(&path, &error))?;
        let mut reader = BufReader::with_capacity(1 << 17, file);
        let mut header = [0; HEADER];
        reader.read_exact(&mut header).await.map_err(|_| told(BackupError::NoBackup))?;
        let text = passphrase.clone();
        let work = move || Chunks::open(&text, &header);
        let chunks = tokio::task::spawn_blocking(work).await.map_err(|_| interrupted())?.map_err(told)?;
        let content = Zeroizing::new(Vec::new());
        let mut opened =
            Self { path, header, passphrase, reader, chunks, next: Vec::new(), content, at: 0, ended: false };
        opened.next = opened.sealed().await?;
        Ok(opened)
    }

    /// The same from the beginning, if the file still begins as it did.
    async fn rewind(self) -> Result<Self, Error> {
        let header = self.header;
        let again = Self::begin(self.path.clone(), self.passphrase.clone()).await?;
        if again.header == header { Ok(again) } else { Err(told(BackupError::Damaged)) }
    }

    /// The bytes of one chunk, fewer at the end.
    async fn sealed(&mut self) -> Result<Vec<u8>, Error> {
        let mut chunk = Vec::with_capacity(SEALED_CHUNK);
        let mut taken = (&mut self.reader).take(SEALED_CHUNK as u64);
        taken.read_to_end(&mut chunk).await.map_err(|error| failed(&self.path, &error))?;
        Ok(chunk)
    }

    async fn more(&mut self) -> Result<bool, Error> {
        if self.ended {
            return Ok(false);
        }
        let following = self.sealed().await?;
        let sealed = std::mem::replace(&mut self.next, following);
        self.ended = self.next.is_empty();
        let content = self.chunks.unseal(&sealed, self.ended).map_err(told)?;
        let rest = self.content.get(self.at..).unwrap_or_default().to_vec();
        self.content = Zeroizing::new(rest);
        self.content.extend_from_slice(&content);
        self.at = 0;
        Ok(true)
    }
}

impl Source for Opened {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let mut looked = self.at;
        loop {
            let there = self.content.get(looked..).unwrap_or_default();
            if let Some(found) = there.iter().position(|byte| *byte == b'\n') {
                let end = looked + found + 1;
                let line = self.content.get(self.at..end).unwrap_or_default().to_vec();
                self.at = end;
                return Ok(Some(line));
            }
            let waiting = self.content.len().saturating_sub(self.at);
            if waiting > json::MAX_LINE {
                return Err(too_long());
            }
            if !self.more().await? {
                let line = self.content.get(self.at..).unwrap_or_default().to_vec();
                self.at = self.content.len();
                return Ok((!line.is_empty()).then_some(line));
            }
            looked = waiting;
        }
    }
}

fn told(error: BackupError) -> Error {
    let mut sentence = error.to_string();
    if let Some(first) = sentence.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    sentence.push('.');
    let (code, next) = match error {
        BackupError::WrongPassphrase => {
            (ErrorCode::BadCredentials, "Check it; upper and lower case count. Nothing was changed.")
        }
        BackupError::Newer => (ErrorCode::Invalid, "Update Wheesht, then restore it."),
        _ => (ErrorCode::Invalid, "Take another copy of the file. Nothing was changed."),
    };
    Error::new(code, sentence).next(next)
}

fn interrupted() -> Error {
    Error::new(ErrorCode::Closed, "It was interrupted.")
}
