//! The password login: OPAQUE's two steps, the same to an outsider whether the name exists or not.

use wheesht_core::{
    proto::{
        address::Name,
        limits::MAX_MANIFESTS,
        relay::{self, ErrorCode, relay_frame::Body as Reply},
    },
    time::Timestamp,
};

use super::{Caller, ConnectionId, Failure, Service, refusal::Refusal, registration::parse_name};
use crate::storage::Storage;

/// One answer for a wrong password, an unknown name and a wrong signature.
pub(super) const BAD_CREDENTIALS: Refusal = Refusal::new(ErrorCode::BadCredentials, "not accepted");

impl<S: Storage> Service<S> {
    pub(super) fn login_start(
        &mut self,
        caller: Caller,
        message: &relay::LoginStart,
        now: Timestamp,
    ) -> Result<Reply, Failure> {
        let name = parse_name(&message.name)?;
        self.gates.logins.pass(caller.network, now)?;
        // REL-21: the guess is the first message, since the client learns from the answer whether it was right.
        self.gates.guesses.begin(&name, caller.network, now)?;
        let account = self.storage.account(&name)?;
        // REL-24
        let password_file = account.as_ref().map(|account| &*account.password_file);
        let (pending, response) =
            self.passwords.login_start(name, password_file, &message.request, &mut *self.rng)?;
        self.connection(caller)?.login = Some(pending);
        Ok(Reply::LoginStartOk(relay::LoginStartOk { response }))
    }

    pub(super) fn login_finish(
        &mut self,
        caller: Caller,
        message: &relay::LoginFinish,
    ) -> Result<Reply, Failure> {
        let pending = self.connection(caller)?.login.take();
        let pending =
            pending.ok_or(Refusal::malformed("a login finishes after it started, on one connection"))?;
        let name = self.passwords.login_finish(pending, &message.finalization)?;
        let account = self.storage.account(&name)?.ok_or(BAD_CREDENTIALS)?;
        self.gates.guesses.forget(&name, caller.network);
        // REL-27
        let manifests = self.storage.manifests(&name, 1, MAX_MANIFESTS)?;
        self.leave_account(caller);
        self.account_sessions.entry(name.clone()).or_default().insert(caller.id);
        self.connection(caller)?.account = Some(name);
        Ok(Reply::AccountSession(relay::AccountSession { root_vault: account.root_vault, manifests }))
    }

    /// Ends what has shown, or is about to show, an account's password on connections, but for one.
    pub(super) fn end_account_sessions(&mut self, name: &Name, but: Option<ConnectionId>) {
        for (id, connection) in self.connections.iter_mut().filter(|(id, _)| Some(**id) != but) {
            if connection.account.as_ref() == Some(name) {
                connection.account = None;
                if let Some(sessions) = self.account_sessions.get_mut(name) {
                    sessions.remove(id);
                }
            }
            if connection.login.as_ref().is_some_and(|login| login.name() == name) {
                connection.login = None;
            }
        }
    }

    /// A second login on a connection takes the place of the first.
    fn leave_account(&mut self, caller: Caller) {
        let before = self.connections.get_mut(&caller.id).and_then(|connection| connection.account.take());
        if let Some(sessions) = before.and_then(|name| self.account_sessions.get_mut(&name)) {
            sessions.remove(&caller.id);
        }
    }
}
