//! The relay's side. It keeps a [`ServerSetup`] for all accounts and a [`PasswordRecord`] for each.

use std::fmt;

use opaque_ke::{
    CredentialFinalization, CredentialRequest, RegistrationRequest, RegistrationUpload,
    ServerLoginParameters, ServerRegistration,
};
use rand_core::CryptoRng;
use wheesht_proto::address::Name;
use zeroize::{Zeroize, Zeroizing};

use super::{CONTEXT, Identifiers, OpaqueError, Suite, exactly, length, rng::Adapter};

/// The relay's long-lived OPAQUE secrets. **Losing them locks every account out of its password**, so they are kept with the
/// accounts and in every backup; whoever has them and the records can guess passwords offline.
#[derive(Clone)]
pub struct ServerSetup(opaque_ke::ServerSetup<Suite>);

impl ServerSetup {
    /// A new relay's.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self(opaque_ke::ServerSetup::new(&mut Adapter(rng)))
    }

    /// Reads back what [`Self::to_bytes`] gave.
    ///
    /// # Errors
    /// [`OpaqueError::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, OpaqueError> {
        let bytes = exactly(bytes, length::SETUP)?;
        opaque_ke::ServerSetup::deserialize(bytes).map(Self).map_err(|_| OpaqueError::Malformed)
    }

    /// The secrets as bytes, for storing them.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut serialized = self.0.serialize();
        let bytes = Zeroizing::new(serialized.to_vec());
        serialized.zeroize();
        bytes
    }

    /// Answers `RegisterStart`: gives the response. Nothing is kept.
    ///
    /// # Errors
    /// [`OpaqueError::Malformed`].
    pub fn registration_start(&self, name: &Name, request: &[u8]) -> Result<Vec<u8>, OpaqueError> {
        let request = RegistrationRequest::deserialize(exactly(request, length::REGISTRATION_REQUEST)?)?;
        let started = ServerRegistration::<Suite>::start(&self.0, request, name.as_str().as_bytes())?;
        Ok(started.message.serialize().to_vec())
    }

    /// Takes `RegisterFinish.record` in: gives what to keep with the account.
    ///
    /// # Errors
    /// [`OpaqueError::Malformed`].
    pub fn registration_finish(&self, upload: &[u8]) -> Result<PasswordRecord, OpaqueError> {
        let upload = RegistrationUpload::deserialize(exactly(upload, length::RECORD)?)?;
        Ok(PasswordRecord(ServerRegistration::finish(upload)))
    }

    /// Answers `LoginStart`: gives the state that this connection keeps, and the response. Without a record the answer is a
    /// simulated one, which fails like a wrong password: a name that doesn't exist isn't told from one that does (PWD-5).
    ///
    /// # Errors
    /// [`OpaqueError::Malformed`].
    pub fn login_start(
        &self,
        who: Identifiers<'_>,
        record: Option<&PasswordRecord>,
        request: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(ServerLogin, Vec<u8>), OpaqueError> {
        let started = opaque_ke::ServerLogin::start(
            &mut Adapter(rng),
            &self.0,
            record.map(|record| record.0.clone()),
            CredentialRequest::deserialize(exactly(request, length::REQUEST)?)?,
            who.name.as_str().as_bytes(),
            ServerLoginParameters { context: Some(CONTEXT), identifiers: who.to_opaque() },
        )?;
        Ok((ServerLogin(started.state), started.message.serialize().to_vec()))
    }
}

impl fmt::Debug for ServerSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.debug_struct("ServerSetup").finish_non_exhaustive()
    }
}

/// What a relay keeps of an account's password: enough to check it, and to guess it at Argon2id's cost.
#[derive(Clone)]
pub struct PasswordRecord(ServerRegistration<Suite>);

impl PasswordRecord {
    /// Reads back what [`Self::to_bytes`] gave.
    ///
    /// # Errors
    /// [`OpaqueError::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, OpaqueError> {
        Ok(Self(ServerRegistration::deserialize(exactly(bytes, length::RECORD)?)?))
    }

    /// The record as bytes, for storing it.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.serialize().to_vec()
    }
}

impl fmt::Debug for PasswordRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.debug_struct("PasswordRecord").finish_non_exhaustive()
    }
}

/// A login under way on one connection: the response has been sent, the finalization is awaited.
pub struct ServerLogin(opaque_ke::ServerLogin<Suite>);

impl ServerLogin {
    /// Checks `LoginFinish.finalization`: `Ok` says that the other side knows the password.
    ///
    /// # Errors
    /// [`OpaqueError::BadCredentials`]; [`OpaqueError::Malformed`].
    pub fn finish(self, who: Identifiers<'_>, finalization: &[u8]) -> Result<(), OpaqueError> {
        let finalization = CredentialFinalization::deserialize(exactly(finalization, length::FINALIZATION)?)?;
        let parameters = ServerLoginParameters { context: Some(CONTEXT), identifiers: who.to_opaque() };
        let mut finished = self.0.finish(finalization, parameters)?;
        finished.session_key.zeroize();
        Ok(())
    }
}

impl fmt::Debug for ServerLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.debug_struct("ServerLogin").finish_non_exhaustive()
    }
}
