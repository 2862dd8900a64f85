//! OPAQUE's relay side, and the relay's own state, which holds its secrets. What a client may learn of a failure is decided
//! here; the protocol itself is the core's.

use rand_core::CryptoRng;
use wheesht_core::{
    opaque::{Identifiers, OpaqueError, PasswordRecord, ServerLogin, ServerSetup},
    proto::address::{Name, RelayAddress},
};

use super::{Failure, OpenError, login::BAD_CREDENTIALS, refusal::Refusal};
use crate::storage::{RelayState, Storage, StorageError};

pub(super) struct Passwords {
    setup: ServerSetup,
    relay: String,
}

/// A password login between its two messages.
pub(super) struct PendingLogin {
    name: Name,
    state: ServerLogin,
}

impl PendingLogin {
    pub(super) fn name(&self) -> &Name {
        &self.name
    }
}

impl Passwords {
    /// REL-4: makes the relay's secrets at the first start, and keeps to the domain that accounts were made under.
    pub(super) fn open(
        storage: &mut impl Storage,
        domain: &RelayAddress,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, OpenError> {
        let relay = domain.authority();
        let setup = match storage.relay_state()? {
            Some(state) if state.domain == relay => read_setup(&state)?,
            Some(state) if storage.has_accounts()? => {
                return Err(OpenError::OtherDomain { stored: state.domain, given: relay });
            }
            Some(state) => store_setup(storage, &relay, read_setup(&state)?)?,
            None => store_setup(storage, &relay, ServerSetup::generate(rng))?,
        };
        Ok(Self { setup, relay })
    }

    pub(super) fn registration_start(&self, name: &Name, request: &[u8]) -> Result<Vec<u8>, Refusal> {
        self.setup.registration_start(name, request).map_err(refusal)
    }

    /// Gives what to keep with the account.
    pub(super) fn registration_finish(&self, upload: &[u8]) -> Result<Vec<u8>, Refusal> {
        Ok(self.setup.registration_finish(upload).map_err(refusal)?.to_bytes())
    }

    pub(super) fn login_start(
        &self,
        name: Name,
        password_file: Option<&[u8]>,
        request: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(PendingLogin, Vec<u8>), Failure> {
        let record = password_file.map(PasswordRecord::from_bytes).transpose();
        let record = record.map_err(|_| StorageError::Damaged("account"))?;
        let who = Identifiers { name: &name, relay: &self.relay };
        let (state, response) =
            self.setup.login_start(who, record.as_ref(), request, rng).map_err(refusal)?;
        Ok((PendingLogin { name, state }, response))
    }

    /// The name whose password was shown.
    pub(super) fn login_finish(&self, pending: PendingLogin, finalization: &[u8]) -> Result<Name, Refusal> {
        let who = Identifiers { name: &pending.name, relay: &self.relay };
        pending.state.finish(who, finalization).map_err(refusal)?;
        Ok(pending.name)
    }
}

fn read_setup(state: &RelayState) -> Result<ServerSetup, StorageError> {
    ServerSetup::from_bytes(&state.opaque).map_err(|_| StorageError::Damaged("own state"))
}

fn store_setup(
    storage: &mut impl Storage,
    relay: &str,
    setup: ServerSetup,
) -> Result<ServerSetup, StorageError> {
    storage.put_relay_state(&RelayState { domain: relay.to_owned(), opaque: setup.to_bytes() })?;
    storage.commit()?;
    Ok(setup)
}

fn refusal(error: OpaqueError) -> Refusal {
    match error {
        OpaqueError::Malformed => Refusal::malformed("not an OPAQUE message of this suite"),
        OpaqueError::BadCredentials | OpaqueError::Stretching => BAD_CREDENTIALS,
    }
}
