//! Another password: OPAQUE's registration once more, within an account session. Password and root vault are swapped together, and
//! whatever was begun with the old password is over.

use sha2::{Digest as _, Sha256};
use wheesht_core::{
    proto::{
        limits::MAX_ROOT_VAULT,
        relay::{self, ErrorCode, relay_frame::Body as Reply},
    },
    time::Timestamp,
};

use super::{Caller, Failure, Service, ok, refusal::Refusal};
use crate::storage::{Storage, StorageError};

impl<S: Storage> Service<S> {
    pub(super) fn change_password_start(
        &mut self,
        caller: Caller,
        message: &relay::ChangePasswordStart,
        now: Timestamp,
    ) -> Result<Reply, Failure> {
        let name = self.account_session(caller)?;
        self.gates.proposals.pass(name.clone(), now)?;
        let response = self.passwords.registration_start(&name, &message.request)?;
        Ok(Reply::RegisterStartOk(relay::RegisterStartOk { response }))
    }

    pub(super) fn change_password_finish(
        &mut self,
        caller: Caller,
        message: relay::ChangePasswordFinish,
    ) -> Result<Reply, Failure> {
        // REL-65
        let name = self.account_session(caller)?;
        let relay::ChangePasswordFinish { record, root_vault, replaces } = message;
        if root_vault.len() > MAX_ROOT_VAULT {
            return Err(Refusal::new(ErrorCode::TooLarge, "the root vault is too large").into());
        }
        if root_vault.is_empty() {
            return Err(Refusal::malformed("a new password takes a new root vault").into());
        }
        let password_file = self.passwords.registration_finish(&record)?;
        let mut account = self.storage.account(&name)?.ok_or(StorageError::Damaged("account"))?;
        if account.password_file == password_file && account.root_vault == root_vault {
            return Ok(ok());
        }
        if replaces != Sha256::digest(&account.root_vault).as_slice() {
            return Err(Refusal::new(ErrorCode::Conflict, "another root vault stands").into());
        }
        account.password_file = password_file;
        account.root_vault = root_vault;
        self.storage.put_account(&name, &account)?;
        self.end_account_sessions(&name, Some(caller.id));
        self.drop_proposal(&name, true)?;
        Ok(ok())
    }
}
