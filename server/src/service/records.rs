//! Records: signed values, written by compare-and-swap.

use prost::Message;
use wheesht_core::{
    proto::{
        ids::RecordId,
        relay::{self, ErrorCode, relay_frame::Body as Reply},
    },
    signed::{Record, RecordError, UnverifiedRecord},
    time::Timestamp,
};

use super::{Caller, Failure, Service, ok, refusal::Refusal};
use crate::storage::{Storage, StorageError};

impl<S: Storage> Service<S> {
    pub(super) fn put_record(
        &mut self,
        caller: Caller,
        message: relay::PutRecord,
        now: Timestamp,
    ) -> Result<Reply, Failure> {
        self.gates.writes.pass(caller.network, now)?;
        self.require_room()?;
        let relay::PutRecord { record, ticket } = message;
        let record = record.ok_or(Refusal::malformed("no record"))?;
        let unverified = UnverifiedRecord::read(record).map_err(bad_record)?;
        let id = unverified.id();
        // REL-44
        let record = unverified.verify(&id).map_err(bad_record)?;
        match self.standing(&id)? {
            // Sent again because the answer was lost.
            Some(standing) if standing.hash() == record.hash() => return Ok(ok()),
            Some(standing) => record.check_next(&standing).map_err(bad_record)?,
            None => {
                record.check_first().map_err(bad_record)?;
                if ticket.is_empty() {
                    self.count_record(caller)?;
                } else {
                    self.spend_record_ticket(caller, &ticket, now)?;
                }
            }
        }
        self.storage.put_record(&id, &record.to_message().encode_to_vec())?;
        Ok(ok())
    }

    pub(super) fn get_record(
        &mut self,
        caller: Caller,
        message: &relay::GetRecord,
        now: Timestamp,
    ) -> Result<Reply, Failure> {
        let id =
            RecordId::try_from(&*message.id).map_err(|_| Refusal::malformed("a record's id has 32 bytes"))?;
        self.gates.reads.pass(caller.network, now)?;
        let record = self.storage.record(&id)?.ok_or(Refusal::not_found("no such record"))?;
        Ok(Reply::RecordOk(relay::RecordOk { record: Some(decode(&record)?) }))
    }

    pub(super) fn standing(&self, id: &RecordId) -> Result<Option<Record>, Failure> {
        let Some(row) = self.storage.record(id)? else {
            return Ok(None);
        };
        let record = UnverifiedRecord::read(decode(&row)?).map_err(|_| StorageError::Damaged("record"))?;
        Ok(Some(record.assume_verified()))
    }

    /// REL-45: making a record without a ticket takes an account, whose records are counted but not listed: which ones are whose is nobody's
    /// business.
    fn count_record(&mut self, caller: Caller) -> Result<(), Failure> {
        let session = self.device_session(caller)?;
        let missing = Refusal::new(ErrorCode::NotAuthenticated, "the account is gone");
        let mut account = self.storage.account(&session.name)?.ok_or(missing)?;
        if account.records >= self.settings.limits.records {
            return Err(Refusal::new(ErrorCode::QuotaExceeded, "too many records").into());
        }
        account.records += 1;
        Ok(self.storage.put_account(&session.name, &account)?)
    }
}

fn decode(row: &[u8]) -> Result<relay::Record, StorageError> {
    relay::Record::decode(row).map_err(|_| StorageError::Damaged("record"))
}

fn bad_record(error: RecordError) -> Refusal {
    match error {
        RecordError::Malformed => Refusal::malformed("not a record"),
        RecordError::TooLarge => Refusal::new(ErrorCode::TooLarge, "the record's value is too large"),
        RecordError::WrongId => {
            Refusal::new(ErrorCode::BadSignature, "the id does not follow from key and salt")
        }
        RecordError::NotFirst(_) => Refusal::new(ErrorCode::Conflict, "no such record; begin with version 1"),
        RecordError::Conflict { .. } => Refusal::new(ErrorCode::Conflict, "another write came first"),
        RecordError::WrongWriter => {
            Refusal::new(ErrorCode::BadSignature, "this key may not write the record")
        }
        RecordError::BadSignature => Refusal::new(ErrorCode::BadSignature, "the signature does not hold"),
    }
}
