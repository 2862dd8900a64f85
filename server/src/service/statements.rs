//! A device's own word on how far it has come, kept against a store restored from a snapshot.

use wheesht_core::{
    proto::relay::{self, ErrorCode, relay_frame::Body as Reply},
    signed::{StatementError, UnverifiedStatement},
    time::Timestamp,
};

use super::{Caller, Failure, Service, ok, refusal::Refusal};
use crate::storage::Storage;

impl<S: Storage> Service<S> {
    pub(super) fn put_statement(
        &mut self,
        caller: Caller,
        message: &relay::PutStatement,
        now: Timestamp,
    ) -> Result<Reply, Failure> {
        let session = self.device_session(caller)?;
        let mailbox = session.device.mailbox;
        self.gates.device_writes.pass(mailbox, now)?;
        // REL-43
        let statement = UnverifiedStatement::decode(&message.statement)
            .and_then(|statement| statement.verify(&session.key, &session.device.id))
            .map_err(bad_statement)?;
        if let Some(held) = self.storage.statement(&mailbox)? {
            let held = UnverifiedStatement::decode(&held)
                .and_then(|held| held.verify(&session.key, &session.device.id))
                .map_err(bad_statement)?;
            if !statement.may_replace(&held) {
                return Err(Refusal::new(ErrorCode::Conflict, "a higher counter was stated before").into());
            }
        }
        self.storage.put_statement(&mailbox, statement.encoded())?;
        Ok(ok())
    }
}

fn bad_statement(error: StatementError) -> Refusal {
    match error {
        StatementError::Malformed => Refusal::malformed("not a statement"),
        StatementError::OtherDevice | StatementError::BadSignature => {
            Refusal::new(ErrorCode::BadSignature, "the statement is not this device's")
        }
    }
}
