//! The stored forms' encoding: fixed-length fields one after the other, big-endian numbers, lengths in front of what varies.
//!
//! Stored forms hold secrets, so they are written into one buffer of known capacity, which is wiped on drop and never grows
//! (a buffer that grows leaves its old bytes behind).

use zeroize::Zeroizing;

use crate::crypto::{dh::DhSecret, secret::Secret};

/// Bytes that are not a stored form this version can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStored {
    /// Written by a newer version of this library.
    #[error("stored by a newer version ({version})")]
    Newer {
        /// The version it was written as.
        version: u8,
    },
    /// Damaged.
    #[error("the stored bytes are damaged")]
    Damaged,
}

/// Writes a stored form.
pub(super) struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    pub(super) fn new(version: u8, capacity: usize) -> Self {
        let mut buffer = Zeroizing::new(Vec::with_capacity(capacity.saturating_add(1)));
        buffer.push(version);
        Self(buffer)
    }

    pub(super) fn u8(&mut self, value: u8) -> &mut Self {
        self.raw(&[value])
    }

    pub(super) fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    pub(super) fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A length, then the bytes. What is written here is far below 4 GiB.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX)).raw(bytes)
    }

    pub(super) fn secret(&mut self, secret: &impl Secret) -> &mut Self {
        self.raw(secret.expose())
    }

    pub(super) fn dh_secret(&mut self, secret: &DhSecret) -> &mut Self {
        self.raw(&*secret.store())
    }

    pub(super) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

/// Reads a stored form. Every method gives `None` when the bytes end too early.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Opens a stored form of exactly this version.
    pub(super) fn new(bytes: &'a [u8], version: u8) -> Result<Self, InvalidStored> {
        match bytes.split_first() {
            Some((found, rest)) if *found == version => Ok(Self(rest)),
            Some((found, _)) if *found > version => Err(InvalidStored::Newer { version: *found }),
            _ => Err(InvalidStored::Damaged),
        }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(array)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| *byte)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(|bytes| u32::from_be_bytes(*bytes))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(|bytes| u64::from_be_bytes(*bytes))
    }

    pub(super) fn bool(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn secret<S: Secret>(&mut self) -> Option<S> {
        self.array().map(S::restore)
    }

    pub(super) fn dh_secret(&mut self) -> Option<DhSecret> {
        self.array().map(DhSecret::restore)
    }

    /// `Some` if everything has been read.
    pub(super) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}
