//! What anyone may read of an account: its newest manifest with the request address, and the chain of its manifests.

use wheesht_core::{
    proto::{
        limits::MAX_MANIFESTS,
        relay::{self, relay_frame::Body as Reply},
    },
    time::Timestamp,
};

use super::{Caller, Failure, Service, refusal::Refusal, registration::parse_name};
use crate::storage::{Account, Storage};

const NO_ACCOUNT: Refusal = Refusal::not_found("no such account");

impl<S: Storage> Service<S> {
    pub(super) fn lookup(
        &mut self,
        caller: Caller,
        message: &relay::Lookup,
        now: Timestamp,
    ) -> Result<Reply, Failure> {
        let name = parse_name(&message.name)?;
        self.gates.reads.pass(caller.network, now)?;
        if let Some(deleted) = self.deleted(&name)? {
            return Ok(deleted);
        }
        let account: Account = self.storage.account(&name)?.ok_or(NO_ACCOUNT)?;
        let newest = self.storage.manifests(&name, account.manifest_version, 1)?.pop().ok_or(NO_ACCOUNT)?;
        Ok(Reply::LookupOk(relay::LookupOk {
            manifest: newest,
            request_address: account.request_address.to_vec(),
            directory_proof: Vec::new(),
        }))
    }

    pub(super) fn get_manifests(
        &mut self,
        caller: Caller,
        message: &relay::GetManifests,
        now: Timestamp,
    ) -> Result<Reply, Failure> {
        let name = parse_name(&message.name)?;
        self.gates.reads.pass(caller.network, now)?;
        if let Some(deleted) = self.deleted(&name)? {
            return Ok(deleted);
        }
        if self.storage.account(&name)?.is_none() {
            return Err(NO_ACCOUNT.into());
        }
        // REL-27
        let manifests = self.storage.manifests(&name, message.from_version, MAX_MANIFESTS)?;
        Ok(Reply::Manifests(relay::Manifests { manifests }))
    }
}
