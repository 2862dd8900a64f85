//! Mailboxes: a queue of envelopes each, and the ids that are known.
//!
//! ```text
//! Queue  mailbox, sequence   → header [+ bytes]      until acked or expired
//! Known  mailbox, envelope   → sequence              until the sweep forgets it: acked means known but not queued
//! Body   envelope            → bytes, BodyCount      only for an envelope that is large, or lies in several mailboxes
//! Sweep  due time, sequence  → the unit's deposits   one row per committed unit, however many deposits
//! ```
//!
//! A sweep row comes due twice: when the ids of acked envelopes may be forgotten, and, for those still queued then, at the end
//! of their lifetime.

use wheesht_core::{
    proto::ids::{EnvelopeId, MailboxId},
    store::backend::{Backend, Direction, KeyRange},
    time::Timestamp,
};

use super::{
    Acked, Delivery, Embedded, Envelope, StorageError, Usage,
    recent::Place,
    rows::{self, Key, Queued, Sweep},
};

impl<B: Backend> Embedded<B> {
    /// Walks through the mailbox, in steps that bound the memory for its envelopes' bytes.
    pub(super) fn measure(&self, mailbox: &MailboxId) -> Result<Usage, StorageError> {
        const STEP: usize = 256;
        let mut usage = Usage::default();
        loop {
            let range = behind(mailbox, usage.newest);
            let rows = self.unit.scan(&range, STEP)?;
            let full = rows.len() == STEP;
            for (key, row) in rows {
                let queued = Queued::decode(row)?;
                usage.envelopes += 1;
                usage.bytes += u64::from(queued.length);
                usage.requests += usize::from(queued.request);
                usage.newest = sequence(&key)?;
            }
            if !full {
                return Ok(usage);
            }
        }
    }

    pub(super) fn enqueue(&mut self, envelope: &Envelope, to: &[Delivery]) -> Result<u64, StorageError> {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        // REL-32: bytes for several mailboxes stand once, apart; so do many bytes, since whoever looks through a mailbox reads its
        // rows. The bytes of a small envelope for one mailbox stand in its row.
        let shared = to.len() > 1 || envelope.bytes.len() > MAX_INLINE;
        if shared {
            let count = self.body_count(&envelope.id)? + to.len() as u64;
            self.unit.put(Key::body_count(&envelope.id), count.to_be_bytes().to_vec());
            self.unit.put(Key::body(&envelope.id), envelope.bytes.to_vec());
        }
        for delivery in to {
            let mailbox = delivery.mailbox;
            self.unit.put(Key::queued(&mailbox, sequence), Queued::encode(envelope, delivery, shared));
            self.unit.put(Key::known(&mailbox, &envelope.id), sequence.to_be_bytes().to_vec());
            let length = u32::try_from(envelope.bytes.len()).unwrap_or(u32::MAX);
            let place = Place { sequence, length, request: delivery.request, shared };
            self.recent.note(mailbox, envelope.id, place);
            let received = envelope.received;
            self.deposited.push(Sweep { mailbox, envelope: envelope.id, sequence, received });
        }
        Ok(sequence)
    }

    pub(super) fn read_queue(
        &self,
        mailbox: &MailboxId,
        after: u64,
        limit: usize,
        bytes: usize,
    ) -> Result<Vec<(u64, Delivery, Envelope)>, StorageError> {
        let mut found = Vec::new();
        let mut taken = 0;
        for (key, row) in self.unit.scan(&behind(mailbox, after), limit)? {
            let Queued { id, address, received, request, length: _, bytes: inline } = Queued::decode(row)?;
            let body = match inline {
                Some(body) => body,
                None => self.unit.get(&Key::body(&id))?.ok_or(StorageError::Damaged("mailbox"))?.into(),
            };
            taken += body.len();
            let delivery = Delivery { mailbox: *mailbox, address, request };
            found.push((sequence(&key)?, delivery, Envelope { id, received, bytes: body }));
            if taken > bytes {
                break;
            }
        }
        Ok(found)
    }

    pub(super) fn dequeue(
        &mut self,
        mailbox: &MailboxId,
        id: &EnvelopeId,
    ) -> Result<Option<Acked>, StorageError> {
        if let Some(Place { sequence, length, request, shared }) = self.recent.take(mailbox, id) {
            self.unit.delete(Key::queued(mailbox, sequence));
            if shared {
                self.release_body(id, length)?;
            }
            return Ok(Some(Acked { sequence, bytes: u64::from(length), request }));
        }
        let Some(known) = self.unit.get(&Key::known(mailbox, id))? else {
            return Ok(None);
        };
        self.remove_queued(mailbox, rows::decode_number(&known, "mailbox")?)
    }

    fn remove_queued(&mut self, mailbox: &MailboxId, sequence: u64) -> Result<Option<Acked>, StorageError> {
        let key = Key::queued(mailbox, sequence);
        let Some(row) = self.unit.get(&key)? else {
            return Ok(None);
        };
        let queued = Queued::decode(row)?;
        self.unit.delete(key);
        self.recent.take(mailbox, &queued.id);
        if queued.bytes.is_none() {
            self.release_body(&queued.id, queued.length)?;
        }
        Ok(Some(Acked { sequence, bytes: u64::from(queued.length), request: queued.request }))
    }

    fn body_count(&self, envelope: &EnvelopeId) -> Result<u64, StorageError> {
        let count = self.unit.get(&Key::body_count(envelope))?;
        count.map_or(Ok(0), |count| rows::decode_number(&count, "mailbox"))
    }

    /// REL-32: the last mailbox to let go of it removes it.
    fn release_body(&mut self, envelope: &EnvelopeId, length: u32) -> Result<(), StorageError> {
        let count = self.body_count(envelope)?;
        if count > 1 {
            self.unit.put(Key::body_count(envelope), (count - 1).to_be_bytes().to_vec());
        } else {
            self.unit.delete(Key::body_count(envelope));
            self.unit.delete_large(Key::body(envelope), length);
        }
        Ok(())
    }

    /// Notes this unit's deposits for the day on which their ids may be forgotten.
    pub(super) fn write_sweep(&mut self) {
        let Some(first) = self.deposited.first() else {
            return;
        };
        let wait = self.retention.known_ms.min(self.retention.envelope_ms);
        self.unit.put(
            Key::sweep(first.received.plus_millis(wait), first.sequence),
            Sweep::encode_all(&self.deposited),
        );
        self.deposited.clear();
    }

    pub(super) fn expire_step(
        &mut self,
        now: Timestamp,
        limit: usize,
    ) -> Result<(Vec<(MailboxId, Acked)>, bool), StorageError> {
        let mut expired = Vec::new();
        let mut looked_at = 0;
        for (key, row) in self.unit.scan(&Key::sweeps_until(now), SWEEP_ROWS)? {
            if looked_at >= limit || !self.unit.has_room(STEP_BYTES) {
                return Ok((expired, true));
            }
            let entries = Sweep::decode_all(&row)?;
            looked_at += entries.len().max(1);
            self.unit.delete(key);
            self.sweep(now, &entries, &mut expired)?;
        }
        // A full page of rows may have more behind it; they are looked at in the next step.
        Ok((expired, looked_at >= SWEEP_ROWS))
    }

    fn sweep(
        &mut self,
        now: Timestamp,
        entries: &[Sweep],
        expired: &mut Vec<(MailboxId, Acked)>,
    ) -> Result<(), StorageError> {
        let mut waiting = Vec::new();
        for entry in entries {
            let end = entry.received.plus_millis(self.retention.envelope_ms);
            let queued = self.unit.get(&Key::queued(&entry.mailbox, entry.sequence))?.is_some();
            if queued && end > now {
                waiting.push(*entry);
                continue;
            }
            // REL-31, REL-33
            self.unit.delete(Key::known(&entry.mailbox, &entry.envelope));
            let acked = self.remove_queued(&entry.mailbox, entry.sequence)?;
            expired.extend(acked.map(|acked| (entry.mailbox, acked)));
        }
        if let Some(first) = waiting.first() {
            let end = first.received.plus_millis(self.retention.envelope_ms);
            self.unit.put(Key::sweep(end, first.sequence), Sweep::encode_all(&waiting));
        }
        Ok(())
    }

    pub(super) fn clear_step(&mut self, limit: usize) -> Result<bool, StorageError> {
        let prefix = Key::all_removed();
        let Some((key, _)) = self.unit.scan(&KeyRange::prefix(&prefix), 1)?.pop() else {
            return Ok(false);
        };
        let mailbox = key.strip_prefix(&*prefix).and_then(|id| MailboxId::try_from(id).ok());
        let mailbox = mailbox.ok_or(StorageError::Damaged("list of removed devices"))?;
        let queue = self.unit.scan(&behind(&mailbox, 0), limit)?;
        for (key, _) in &queue {
            if !self.unit.has_room(STEP_BYTES) {
                return Ok(true);
            }
            self.remove_queued(&mailbox, sequence(key)?)?;
        }
        let known = self.unit.scan(&KeyRange::prefix(&Key::known_by(&mailbox)), limit)?;
        let done = queue.len() < limit && known.len() < limit;
        known.into_iter().for_each(|(key, _)| self.unit.delete(key));
        if done {
            self.unit.delete(key);
        }
        Ok(true)
    }
}

/// Bytes of an envelope that stand in its queue's row at most: a text's do, a page of 128 rows is read in one go.
const MAX_INLINE: usize = 4096;

/// What a step of a sweep may add to a unit that has room: the rows of a commit's deposits, or of a large envelope.
const STEP_BYTES: usize = 64 * 1024;

/// Sweep rows read in one step.
const SWEEP_ROWS: usize = 64;

fn behind(mailbox: &MailboxId, sequence: u64) -> KeyRange {
    KeyRange::prefix(&Key::queue(mailbox)).after(Key::queued(mailbox, sequence), Direction::Forward)
}

/// The sequence number at the end of a queue's key.
fn sequence(key: &[u8]) -> Result<u64, StorageError> {
    let number = key.last_chunk::<8>().ok_or(StorageError::Damaged("mailbox"))?;
    Ok(u64::from_be_bytes(*number))
}
