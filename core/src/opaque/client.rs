//! The person's side. `start` is quick; `finish` stretches the password and takes its time: run it where it stalls nobody.

use std::fmt;

use opaque_ke::{
    ClientLogin, ClientLoginFinishParameters, ClientRegistration, ClientRegistrationFinishParameters,
    CredentialResponse, RegistrationResponse,
};
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use super::{
    CONTEXT, ExportKey, Identifiers, KsfCost, OpaqueError, Suite, exactly, length, normalize_password,
    rng::Adapter,
};

/// A registration under way: the request has been sent, the response is awaited.
pub struct RegistrationFlow {
    state: ClientRegistration<Suite>,
    password: Zeroizing<String>,
}

/// What a finished registration gives.
#[derive(Debug)]
pub struct Registered {
    /// For the relay: goes into `RegisterFinish.record`.
    pub upload: Vec<u8>,
    /// For the root vault.
    pub export_key: ExportKey,
}

impl RegistrationFlow {
    /// Begins: gives the state, and the request for `RegisterStart.request`. The password is normalised here.
    ///
    /// # Errors
    /// [`OpaqueError::Malformed`] for a password that no group element can be made of (which doesn't occur in practice).
    pub fn start(
        password: &str,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Self, Vec<u8>), OpaqueError> {
        let password = normalize_password(password);
        let started = ClientRegistration::<Suite>::start(&mut Adapter(rng), password.as_bytes())?;
        let request = started.message.serialize().to_vec();
        Ok((Self { state: started.state, password }, request))
    }

    /// Finishes with the relay's `RegisterStartOk.response`. Slow.
    ///
    /// # Errors
    /// [`OpaqueError::Malformed`] if the response is not one; [`OpaqueError::Stretching`].
    pub fn finish(
        self,
        response: &[u8],
        who: Identifiers<'_>,
        cost: KsfCost,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Registered, OpaqueError> {
        let response = RegistrationResponse::deserialize(exactly(response, length::REGISTRATION_RESPONSE)?)?;
        let stretching = cost.to_argon2()?;
        let parameters = ClientRegistrationFinishParameters::new(who.to_opaque(), Some(&stretching));
        let finished =
            self.state.finish(&mut Adapter(rng), self.password.as_bytes(), response, parameters)?;
        let upload = finished.message.serialize().to_vec();
        Ok(Registered { upload, export_key: ExportKey::take(finished.export_key) })
    }
}

impl fmt::Debug for RegistrationFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { state: _, password: _ } = self;
        f.debug_struct("RegistrationFlow").finish_non_exhaustive()
    }
}

/// A login under way: the request has been sent, the response is awaited.
pub struct LoginFlow {
    state: ClientLogin<Suite>,
    password: Zeroizing<String>,
}

/// What a finished login gives.
#[derive(Debug)]
pub struct LoggedIn {
    /// For the relay: goes into `LoginFinish.finalization`.
    pub finalization: Vec<u8>,
    /// For the root vault.
    pub export_key: ExportKey,
}

impl LoginFlow {
    /// Begins: gives the state, and the request for `LoginStart.request`. The password is normalised here.
    ///
    /// # Errors
    /// [`OpaqueError::Malformed`] for a password that no group element can be made of (which doesn't occur in practice).
    pub fn start(
        password: &str,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Self, Vec<u8>), OpaqueError> {
        let password = normalize_password(password);
        let started = ClientLogin::<Suite>::start(&mut Adapter(rng), password.as_bytes())?;
        let request = started.message.serialize().to_vec();
        Ok((Self { state: started.state, password }, request))
    }

    /// Finishes with the relay's `LoginStartOk.response`. Slow.
    ///
    /// # Errors
    /// [`OpaqueError::BadCredentials`] for a wrong password, an unknown name, or a relay that isn't the one of the
    /// registration; [`OpaqueError::Malformed`]; [`OpaqueError::Stretching`].
    pub fn finish(
        self,
        response: &[u8],
        who: Identifiers<'_>,
        cost: KsfCost,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<LoggedIn, OpaqueError> {
        let response = CredentialResponse::deserialize(exactly(response, length::RESPONSE)?)?;
        let stretching = cost.to_argon2()?;
        let parameters = ClientLoginFinishParameters::new(Some(CONTEXT), who.to_opaque(), Some(&stretching));
        let mut finished =
            self.state.finish(&mut Adapter(rng), self.password.as_bytes(), response, parameters)?;
        finished.session_key.zeroize();
        let finalization = finished.message.serialize().to_vec();
        Ok(LoggedIn { finalization, export_key: ExportKey::take(finished.export_key) })
    }
}

impl fmt::Debug for LoginFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { state: _, password: _ } = self;
        f.debug_struct("LoginFlow").finish_non_exhaustive()
    }
}
