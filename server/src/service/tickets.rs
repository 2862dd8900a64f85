//! Quota tickets: got where the relay knows who asks, shown where it doesn't.
//!
//! ```text
//! device session ──GetTickets──▶ counted for the account and the day ──▶ 32 random bytes each
//! anonymous      ──PutRecord, or an upload──▶ is it one that is out? ──▶ spent
//! ```
//!
//! A ticket that is out is a number in a table with what it is good for, and not whose: what a relay doesn't note, it can't
//! be made to tell. (It could note it; SECURITY.md says so.) The table is in memory alone. So a ticket serves once whatever
//! crashes: a restart forgets the spent and the unspent alike, and who had one gets another.

use std::collections::{HashMap, VecDeque};

use rand_core::Rng;
use wheesht_core::{
    proto::{
        limits::{DAY_MS, MAX_TICKETS, TICKET_LIFETIME_MS},
        relay::{self, ErrorCode, relay_frame::Body as Reply},
    },
    time::Timestamp,
};

use super::{Caller, Failure, Limits, Service, refusal::Refusal};
use crate::storage::{Account, Allowance, Storage};

/// Tickets out at once, all accounts together: some 200 MB, if thousands of accounts conspired to take all they may.
const MAX_OUT: usize = 2_000_000;

/// What a ticket is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Good {
    Record,
    /// A blob of at most this many bytes.
    Blob(u64),
}

/// The tickets that are out. All of them live equally long, so they expire in the order in which they were given.
#[derive(Default)]
pub(super) struct Tickets {
    out: HashMap<[u8; 32], Good>,
    expiring: VecDeque<(Timestamp, [u8; 32])>,
}

impl Tickets {
    fn give(&mut self, ticket: [u8; 32], good: Good, expires: Timestamp) {
        self.out.insert(ticket, good);
        self.expiring.push_back((expires, ticket));
    }

    /// REL-48: at most one gets in with it.
    fn spend(&mut self, ticket: &[u8], fits: impl Fn(Good) -> bool, now: Timestamp) -> Result<(), Refusal> {
        self.expire(now);
        let ticket: [u8; 32] = ticket.try_into().map_err(|_| Refusal::malformed("a ticket has 32 bytes"))?;
        if self.out.get(&ticket).is_some_and(|good| fits(*good)) {
            self.out.remove(&ticket);
            Ok(())
        } else {
            Err(Refusal::new(
                ErrorCode::BadTicket,
                "this ticket isn't good for this, or no longer: get another",
            ))
        }
    }

    pub(super) fn expire(&mut self, now: Timestamp) {
        while let Some((expires, ticket)) = self.expiring.front()
            && *expires <= now
        {
            self.out.remove(ticket);
            self.expiring.pop_front();
        }
    }
}

impl<S: Storage> Service<S> {
    pub(super) fn get_tickets(
        &mut self,
        caller: Caller,
        message: &relay::GetTickets,
        now: Timestamp,
    ) -> Result<Reply, Failure> {
        let session = self.device_session(caller)?;
        let count = message.count;
        if count == 0 || count as usize > MAX_TICKETS {
            return Err(Refusal::malformed("1 to 16 tickets at once").into());
        }
        self.gates.device_writes.pass(session.device.mailbox, now)?;
        self.tickets.expire(now);
        if self.tickets.expiring.len() + count as usize > MAX_OUT {
            return Err(Refusal::new(ErrorCode::Unavailable, "too many tickets are out")
                .after(60_000)
                .into());
        }
        let missing = Refusal::new(ErrorCode::NotAuthenticated, "the account is gone");
        let mut account = self.storage.account(&session.name)?.ok_or(missing)?;
        let day = now.as_millis() / DAY_MS;
        let mut allowance = self.storage.allowance(&session.name)?.filter(|used| used.day == day);
        let used = allowance.get_or_insert(Allowance { day, ..Allowance::default() });
        let tomorrow = DAY_MS - now.as_millis() % DAY_MS;
        let limits = &self.settings.limits;
        let good = match message.kind() {
            relay::TicketKind::Record => count_records(count, &mut account, used, limits, tomorrow)?,
            relay::TicketKind::Blob => count_blobs(count, message.max_bytes, used, limits, tomorrow)?,
            relay::TicketKind::Unspecified => return Err(Refusal::malformed("a ticket has a kind").into()),
        };
        self.storage.put_allowance(&session.name, used)?;
        if good == Good::Record {
            self.storage.put_account(&session.name, &account)?;
        }
        let expires = now.plus_millis(TICKET_LIFETIME_MS);
        let mut tickets = Vec::new();
        for _ in 0..count {
            let mut ticket = [0; 32];
            self.rng.fill_bytes(&mut ticket);
            self.tickets.give(ticket, good, expires);
            tickets.push(ticket.to_vec());
        }
        Ok(Reply::Tickets(relay::Tickets { tickets, expires_ms: expires.as_millis() }))
    }

    /// For a record on an anonymous connection.
    pub(super) fn spend_record_ticket(
        &mut self,
        caller: Caller,
        ticket: &[u8],
        now: Timestamp,
    ) -> Result<(), Refusal> {
        // REL-48: shown beside a login, it would tell what it is there to hide.
        self.require_anonymous(caller)?;
        self.tickets.spend(ticket, |good| good == Good::Record, now)
    }

    /// For the upload of a blob of so many bytes, which comes by HTTP. Returns whether the ticket was good for it.
    pub fn spend_blob_ticket(&mut self, ticket: &[u8], length: u64, now: Timestamp) -> bool {
        self.tickets.spend(ticket, |good| matches!(good, Good::Blob(most) if length <= most), now).is_ok()
    }
}

/// REL-47, REL-45: a ticket counts as the record that it is for.
fn count_records(
    count: u32,
    account: &mut Account,
    used: &mut Allowance,
    limits: &Limits,
    tomorrow: u64,
) -> Result<Good, Refusal> {
    account.records = account.records.saturating_add(count);
    if account.records > limits.records {
        return Err(Refusal::new(ErrorCode::QuotaExceeded, "too many records"));
    }
    used.record_tickets = used.record_tickets.saturating_add(count);
    if used.record_tickets > limits.record_tickets_per_day {
        return Err(spent_for_today(tomorrow));
    }
    Ok(Good::Record)
}

/// REL-47
fn count_blobs(
    count: u32,
    max_bytes: u64,
    used: &mut Allowance,
    limits: &Limits,
    tomorrow: u64,
) -> Result<Good, Refusal> {
    if max_bytes == 0 {
        return Err(Refusal::malformed("a ticket for a blob names its length"));
    }
    if max_bytes > limits.max_blob {
        return Err(Refusal::new(ErrorCode::TooLarge, "larger than a blob may be"));
    }
    used.blob_tickets = used.blob_tickets.saturating_add(count);
    used.blob_bytes = used.blob_bytes.saturating_add(max_bytes.saturating_mul(u64::from(count)));
    if used.blob_tickets > limits.blob_tickets_per_day || used.blob_bytes > limits.blob_bytes_per_day {
        return Err(spent_for_today(tomorrow));
    }
    Ok(Good::Blob(max_bytes))
}

fn spent_for_today(tomorrow: u64) -> Refusal {
    Refusal::new(ErrorCode::QuotaExceeded, "today's tickets are used up").after(tomorrow)
}
