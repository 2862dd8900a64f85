//! Opening and closing a device's deposit addresses.

use wheesht_core::{
    proto::relay::{self, ErrorCode, relay_frame::Body as Reply},
    time::Timestamp,
};

use super::{Caller, Failure, Service, ok, refusal::Refusal, registration::address};
use crate::storage::{AddressKind, Storage, Target};

impl<S: Storage> Service<S> {
    pub(super) fn put_address(
        &mut self,
        caller: Caller,
        message: &relay::PutAddress,
        now: Timestamp,
    ) -> Result<Reply, Failure> {
        let session = self.device_session(caller)?;
        let mailbox = session.device.mailbox;
        let address = address(&message.address)?;
        let kind = match message.kind() {
            relay::AddressKind::Contact => AddressKind::Contact,
            relay::AddressKind::Group => AddressKind::Group,
            relay::AddressKind::Unspecified => return Err(Refusal::malformed("an address has a kind").into()),
        };
        self.gates.device_writes.pass(mailbox, now)?;
        match self.storage.target(&address)? {
            // REL-28: a repetition changes nothing, and nobody takes over another's address.
            Some(Target::Device { mailbox: owner, .. }) if owner == mailbox => return Ok(ok()),
            Some(_) => return Err(Refusal::new(ErrorCode::Conflict, "this address is in use").into()),
            None => {}
        }
        if self.storage.addresses(&mailbox)?.len() >= self.settings.limits.addresses {
            return Err(Refusal::new(ErrorCode::QuotaExceeded, "too many addresses; close one").into());
        }
        self.storage.put_address(&address, kind, &session.name, &session.device)?;
        Ok(ok())
    }

    pub(super) fn close_address(
        &mut self,
        caller: Caller,
        message: &relay::CloseAddress,
        now: Timestamp,
    ) -> Result<Reply, Failure> {
        let session = self.device_session(caller)?;
        let mailbox = session.device.mailbox;
        let address = address(&message.address)?;
        self.gates.device_writes.pass(mailbox, now)?;
        // REL-28: an address that is gone already, or another's, is left alone in silence.
        if let Some(Target::Device { mailbox: owner, .. }) = self.storage.target(&address)?
            && owner == mailbox
        {
            self.storage.delete_address(&address, &mailbox)?;
        }
        Ok(ok())
    }
}
