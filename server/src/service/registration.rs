//! Making an account: OPAQUE's registration, and with its second message the first device, all in one transaction.

use wheesht_core::{
    proto::{
        address::Name,
        ids::{DepositAddress, MailboxId},
        limits::MAX_ROOT_VAULT,
        relay::{self, ErrorCode, relay_frame::Body as Reply},
    },
    signed::{DeviceCertificate, UnverifiedManifest},
    time::Timestamp,
};

use super::{Caller, Failure, Service, ok, proposals::bad_manifest, refusal::Refusal};
use crate::storage::{Account, Device, Storage};

impl<S: Storage> Service<S> {
    pub(super) fn register_start(
        &mut self,
        caller: Caller,
        message: &relay::RegisterStart,
        now: Timestamp,
    ) -> Result<Reply, Failure> {
        // REL-20: before the name, or names could be tried without a limit.
        self.gates.registrations.pass(caller.network, now)?;
        self.require_room()?;
        let name = self.free_name(&message.name)?;
        let response = self.passwords.registration_start(&name, &message.request)?;
        Ok(Reply::RegisterStartOk(relay::RegisterStartOk { response }))
    }

    pub(super) fn register_finish(
        &mut self,
        caller: Caller,
        message: &relay::RegisterFinish,
        now: Timestamp,
    ) -> Result<Reply, Failure> {
        if self.is_repeated(message)? {
            return Ok(ok());
        }
        self.gates.registrations.pass(caller.network, now)?;
        self.require_room()?;
        let name = self.free_name(&message.name)?;
        if message.root_vault.len() > MAX_ROOT_VAULT {
            return Err(Refusal::new(ErrorCode::TooLarge, "the root vault is too large").into());
        }
        let password_file = self.passwords.registration_finish(&message.record)?;
        // REL-22
        let manifest = UnverifiedManifest::decode(&message.manifest)
            .and_then(|manifest| manifest.verify_first(&self.address(&name)))
            .map_err(bad_manifest)?;
        let request_address = address(&message.request_address)?;
        if self.storage.target(&request_address)?.is_some() {
            return Err(Refusal::new(ErrorCode::Conflict, "this address is in use").into());
        }
        for certificate in manifest.devices() {
            self.join(&name, certificate)?;
        }
        self.storage.put_manifest(&name, manifest.version(), manifest.encoded())?;
        self.storage.put_request_address(&request_address, &name)?;
        let root_vault = message.root_vault.clone();
        let manifest_version = manifest.version();
        let account = Account { password_file, root_vault, request_address, manifest_version, records: 0 };
        self.storage.put_account(&name, &account)?;
        if self.settings.log_identities {
            tracing::info!(connection = caller.id.0, %name, "an account was made");
        }
        Ok(ok())
    }

    /// Gives a device of the manifest its mailbox.
    pub(super) fn join(&mut self, name: &Name, certificate: &DeviceCertificate) -> Result<(), Failure> {
        let mut mailbox = [0; MailboxId::LEN];
        self.rng.fill_bytes(&mut mailbox);
        let device = Device {
            id: certificate.device_id(),
            signing_key: *certificate.signing_key().as_bytes(),
            mailbox: MailboxId::new(mailbox),
        };
        Ok(self.storage.put_device(name, &device)?)
    }

    /// A name that can be registered.
    fn free_name(&self, name: &str) -> Result<Name, Failure> {
        if !self.settings.registration {
            return Err(
                Refusal::new(ErrorCode::RegistrationClosed, "this relay takes no new accounts").into()
            );
        }
        let name = parse_name(name)?;
        // REL-66
        if self.storage.account(&name)?.is_some() || self.storage.deletion(&name)?.is_some() {
            return Err(Refusal::new(ErrorCode::NameTaken, "this name is taken").into());
        }
        Ok(name)
    }

    /// REL-23: the very registration that made the account, sent again because its answer was lost.
    fn is_repeated(&self, message: &relay::RegisterFinish) -> Result<bool, Failure> {
        let Ok(name) = message.name.parse::<Name>() else {
            return Ok(false);
        };
        let Some(account) = self.storage.account(&name)? else {
            return Ok(false);
        };
        let first = self.storage.manifests(&name, 1, 1)?.pop();
        Ok(account.password_file == message.record && first.as_ref() == Some(&message.manifest))
    }
}

pub(super) fn parse_name(name: &str) -> Result<Name, Refusal> {
    name.parse().map_err(|_| Refusal::new(ErrorCode::NameInvalid, "not a name"))
}

pub(super) fn address(bytes: &[u8]) -> Result<DepositAddress, Refusal> {
    DepositAddress::try_from(bytes).map_err(|_| Refusal::malformed("a deposit address has 16 bytes"))
}
