//! The end of an account: everything that the relay has of it goes, in one transaction, but for the name and the identity key's word,
//! which whoever looks the name up is shown.

use wheesht_core::{
    proto::{
        address::{Address, Name},
        relay::{self, ErrorCode, relay_frame::Body as Reply},
    },
    signed::{UnverifiedDeletion, UnverifiedRecord},
    time::Timestamp,
};

use super::{Caller, Failure, Service, connection::ConnectionId, ok, refusal::Refusal};
use crate::storage::Storage;

/// Records that one deletion takes with it.
const MAX_RECORDS: usize = 64;

const NOT_SIGNED: Refusal = Refusal::new(ErrorCode::BadSignature, "the identity key did not sign this");
const ENDED: Refusal = Refusal::new(ErrorCode::DeviceUnknown, "this device's account was deleted");

impl<S: Storage> Service<S> {
    pub(super) fn delete_account(
        &mut self,
        caller: Caller,
        message: relay::DeleteAccount,
        now: Timestamp,
    ) -> Result<Reply, Failure> {
        self.gates.logins.pass(caller.network, now)?;
        if message.records.len() > MAX_RECORDS {
            return Err(Refusal::new(ErrorCode::TooLarge, "too many records").into());
        }
        let deletion = UnverifiedDeletion::decode(&message.deletion)
            .ok_or(Refusal::malformed("not a deletion of a form that this relay knows"))?;
        let address: Address =
            deletion.address().parse().map_err(|_| Refusal::malformed("not an address"))?;
        let name = address.name().clone();
        if address != self.address(&name) {
            return Err(Refusal::malformed("the deletion is for another address").into());
        }
        // Sent again because the answer was lost.
        if self.storage.deletion(&name)?.is_some_and(|stands| stands == message.deletion) {
            return Ok(ok());
        }
        if self.storage.account(&name)?.is_none() {
            return Err(Refusal::not_found("no such account").into());
        }
        // REL-66
        let identity = self.newest_manifest(&name)?.identity();
        deletion.verify(&identity, &address.canonical()).ok_or(NOT_SIGNED)?;
        for device in self.storage.devices(&name)? {
            self.storage.delete_device(&name, &device)?;
            self.mailboxes.remove(&device.mailbox);
            if let Some(connection) = self.serving.get(&device.mailbox).copied() {
                self.leave_device(connection, caller.id);
            }
        }
        for record in message.records {
            self.delete_record(record)?;
        }
        if let Some(proposal) = self.storage.proposal(&name)? {
            self.forget_proposal(&name, &proposal)?;
        }
        self.storage.delete_account(&name)?;
        self.storage.put_deletion(&name, &message.deletion)?;
        self.end_account_sessions(&name, None);
        Ok(ok())
    }

    /// What is shown for a name whose account was deleted.
    pub(super) fn deleted(&self, name: &Name) -> Result<Option<Reply>, Failure> {
        let deletion = self.storage.deletion(name)?;
        Ok(deletion.map(|deletion| Reply::Deleted(relay::Deleted { deletion })))
    }

    /// The connection that asked for it is answered before its client hangs up.
    fn leave_device(&mut self, connection: ConnectionId, asking: ConnectionId) {
        if connection != asking {
            self.end(connection, ENDED);
        } else if let Some(session) =
            self.connections.get_mut(&connection).and_then(|connection| connection.device.take())
        {
            self.serving.remove(&session.device.mailbox);
        }
    }

    /// Who could write the next version may delete the record; one that is not good for it is passed over.
    fn delete_record(&mut self, record: relay::Record) -> Result<(), Failure> {
        let Ok(record) = UnverifiedRecord::read(record) else { return Ok(()) };
        let id = record.id();
        let (Ok(record), Some(standing)) = (record.verify(&id), self.standing(&id)?) else { return Ok(()) };
        if record.check_next(&standing).is_ok() {
            self.storage.delete_record(&id)?;
        }
        Ok(())
    }
}
