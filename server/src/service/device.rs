//! The device login, by a signature over this connection's nonce.

use std::sync::Arc;

use wheesht_core::{
    crypto::sign::VerifyingKey,
    proto::{
        address::Name,
        ids::DeviceId,
        relay::{self, ErrorCode, relay_frame::Body as Reply},
    },
    signed::{LoginContext, UnverifiedManifest},
    time::Timestamp,
};

use super::{
    Caller, Failure, Service, connection::DeviceSession, login::BAD_CREDENTIALS, proposals::proposal_message,
    refusal::Refusal, registration::parse_name,
};
use crate::storage::{Proposal, Storage};

/// After this long a device that waits to be confirmed may ask again.
const PROPOSED_RETRY_MS: u64 = 60_000;

impl<S: Storage> Service<S> {
    pub(super) fn device_login(
        &mut self,
        caller: Caller,
        message: &relay::DeviceLogin,
        now: Timestamp,
    ) -> Result<Reply, Failure> {
        let name = parse_name(&message.name)?;
        let device_id = DeviceId::try_from(&*message.device_id)
            .map_err(|_| Refusal::malformed("a device id has 16 bytes"))?;
        self.gates.device_logins.pass(caller.network, now)?;
        let Some(device) = self.storage.device(&name, &device_id)? else {
            return Err(self.no_such_device(&name, &device_id)?.into());
        };
        let key = VerifyingKey::from_bytes(&device.signing_key).map_err(|_| BAD_CREDENTIALS)?;
        // REL-25
        let relay = self.domain.authority();
        let connection = self.connection(caller)?;
        let context = LoginContext { nonce: &connection.nonce, relay: &relay, name: &name, device_id };
        context.verify(&key, &message.signature).map_err(|_| BAD_CREDENTIALS)?;
        if self.settings.log_identities {
            tracing::info!(connection = caller.id.0, %name, "a device logged in");
        }
        self.replace_session(caller, Arc::new(DeviceSession { name, device, key }))
    }

    /// REL-29: a device that a standing proposal lists is told to come again; any other that it is none of the account's.
    fn no_such_device(&self, name: &Name, device_id: &DeviceId) -> Result<Refusal, Failure> {
        if self.storage.account(name)?.is_none() {
            return Ok(BAD_CREDENTIALS);
        }
        let unknown = Refusal::new(ErrorCode::DeviceUnknown, "not in the account's manifest");
        let proposed = self.storage.proposal(name)?.is_some_and(|proposal| lists(&proposal, device_id));
        Ok(if proposed { unknown.after(PROPOSED_RETRY_MS) } else { unknown })
    }

    fn replace_session(&mut self, caller: Caller, session: Arc<DeviceSession>) -> Result<Reply, Failure> {
        let mailbox = session.device.mailbox;
        // REL-26
        if let Some(earlier) = self.serving.insert(mailbox, caller.id).filter(|earlier| *earlier != caller.id)
        {
            self.end(earlier, Refusal::new(ErrorCode::Conflict, "this device has connected again elsewhere"));
            self.serving.insert(mailbox, caller.id);
        }
        let connection = self.connection(caller)?;
        connection.feed = None;
        let before = connection.device.replace(Arc::clone(&session));
        if let Some(before) = before.filter(|before| before.device.mailbox != mailbox) {
            self.serving.remove(&before.device.mailbox);
        }
        let usage = *self.usage(mailbox)?;
        let proposal = self.storage.proposal(&session.name)?;
        Ok(Reply::DeviceSession(relay::DeviceSession {
            mailbox_id: mailbox.to_vec(),
            statement: self.storage.statement(&mailbox)?.unwrap_or_default(),
            queued: u32::try_from(usage.envelopes).unwrap_or(u32::MAX),
            prekeys: Some(self.prekey_counts(&mailbox)?),
            proposal: proposal.as_ref().map(proposal_message),
            addresses: self
                .storage
                .addresses(&mailbox)?
                .into_iter()
                .map(|address| address.to_vec())
                .collect(),
        }))
    }
}

fn lists(proposal: &Proposal, device_id: &DeviceId) -> bool {
    let listed = |draft: UnverifiedManifest| draft.device_ids().any(|id| id == *device_id);
    UnverifiedManifest::decode(&proposal.manifest).is_ok_and(listed)
}
