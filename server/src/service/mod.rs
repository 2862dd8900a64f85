//! The relay without its network: requests in, answers and pushes out, time and randomness as arguments.
//!
//! ```text
//!  connect ─┐                                          ┌─▶ Frame   an answer or a push
//!  receive ─┼─▶ state + storage's open unit ──commit──▶┼─▶ Check   work to do elsewhere, back by `checked`
//!  tick    ─┘            (one at a time)               └─▶ Close
//! ```
//!
//! Requests are served one at a time, in the order in which they came, so every decision about a quota, a duplicate or a
//! compare-and-swap sees all those before it. Nothing leaves before [`Service::commit`]: what many connections asked for
//! becomes durable in one step, and only then do the answers go out (REL-3). The network side lets requests gather while a
//! commit is under way; a simulation commits whenever it likes.
//!
//! A file per matter: `registration`, `login`, `proposals`, `password_change`, `deletion` for the account; `device`, `addresses`, `prekeys`, `statements`
//! for a device; `deposit`, `delivery` for envelopes, `ephemeral` and `wills` for those that are never stored; `records`,
//! `lookup`, `tickets` for the rest.

mod addresses;
mod bundles;
mod connection;
mod deletion;
mod delivery;
mod deposit;
mod device;
mod ephemeral;
mod gates;
mod hello;
mod login;
mod lookup;
mod password;
mod password_change;
mod prekeys;
mod proposals;
mod rate;
mod records;
mod refusal;
mod registration;
mod request;
mod settings;
mod statements;
mod tickets;
mod upkeep;
mod wills;
mod witness;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rand_core::CryptoRng;
use wheesht_core::{
    proto::{
        address::{Address, Name, RelayAddress},
        ids::MailboxId,
        relay::{self, ErrorCode, RelayFrame, client_frame::Body as Frame, relay_frame::Body as Reply},
    },
    time::Timestamp,
};

pub use connection::{ConnectionId, Network};
pub use prekeys::{Checked, PrekeyCheck};
pub use rate::Rate;
pub use request::{NotAFrame, Request};
pub use settings::{Limits, Settings};
pub use witness::{Deposited, Witness};

use self::{
    connection::{Caller, Connection},
    gates::Gates,
    password::Passwords,
    refusal::{Failure, Refusal},
    request::Body,
    tickets::Tickets,
    wills::Wills,
};
use crate::storage::{Storage, StorageError, Usage};

/// What a request may write without asking for room. Only deposits, which ask for themselves, write more, and records.
const USUAL_BYTES: usize = 128 * 1024;

/// Until an operator has made room.
const FULL_RETRY_MS: u64 = 60_000;

/// What the service wants done. In order: what comes first goes out first.
pub enum Output {
    /// Send this on the connection.
    Frame(ConnectionId, RelayFrame),
    /// Run this, where it delays nobody, and bring the result to [`Service::checked`].
    Check(ConnectionId, PrekeyCheck),
    /// Close the connection after what was sent before. The service has forgotten it.
    Close(ConnectionId),
}

/// Why a service can't begin.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The domain is not of its form.
    #[error("{0:?} can't stand after the @ of a name: give a host name, or host:port")]
    Domain(String),
    /// Accounts were made under another domain, which their devices have signed.
    #[error("this data directory belongs to the relay {stored:?}; its accounts can't move to {given:?}")]
    OtherDomain {
        /// The domain that the accounts were made under.
        stored: String,
        /// The one given now.
        given: String,
    },
}

/// The relay's state and rules. See the module.
pub struct Service<S> {
    storage: S,
    settings: Settings,
    domain: RelayAddress,
    rng: Box<dyn CryptoRng + Send>,
    passwords: Passwords,
    gates: Gates,
    connections: BTreeMap<ConnectionId, Connection>,
    /// The connection on which each device is logged in.
    serving: HashMap<MailboxId, ConnectionId>,
    /// The connections that have shown an account's password.
    account_sessions: HashMap<Name, BTreeSet<ConnectionId>>,
    /// How full the mailboxes are that were touched since the start.
    mailboxes: HashMap<MailboxId, Usage>,
    /// Connections that may be sent more from their mailbox.
    pumping: BTreeSet<ConnectionId>,
    /// Proposals that take effect by time.
    evictions: BTreeSet<(Timestamp, Name)>,
    tickets: Tickets,
    wills: Wills,
    /// REL-7: the disk is nearly full.
    full: bool,
    /// The latest time that the caller has named: a connection's end has none of its own.
    now: Timestamp,
    outputs: Vec<Output>,
    failed: Option<StorageError>,
    witness: Option<Witness>,
}

/// The domain that a storage was made for; none before its first start.
///
/// # Errors
/// What the storage says.
pub fn stored_domain(storage: &impl Storage) -> Result<Option<String>, StorageError> {
    Ok(storage.relay_state()?.map(|state| state.domain))
}

impl<S: Storage> Service<S> {
    /// Begins on a storage, which may be empty.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        mut storage: S,
        settings: Settings,
        mut rng: Box<dyn CryptoRng + Send>,
    ) -> Result<Self, OpenError> {
        let domain: RelayAddress =
            settings.domain.parse().map_err(|_| OpenError::Domain(settings.domain.clone()))?;
        let passwords = Passwords::open(&mut storage, &domain, &mut *rng)?;
        let evictions = storage.evictions()?.into_iter().collect();
        Ok(Self {
            gates: Gates::new(&settings.limits),
            storage,
            domain,
            settings,
            rng,
            passwords,
            connections: BTreeMap::new(),
            serving: HashMap::new(),
            account_sessions: HashMap::new(),
            mailboxes: HashMap::new(),
            pumping: BTreeSet::new(),
            evictions,
            tickets: Tickets::default(),
            wills: Wills::default(),
            full: false,
            now: Timestamp::default(),
            outputs: Vec::new(),
            failed: None,
            witness: None,
        })
    }

    /// Tells somebody of every envelope that is put into a mailbox.
    pub fn set_witness(&mut self, witness: Witness) {
        self.witness = Some(witness);
    }

    /// Whether there is so little room left that nothing more is to be taken in.
    pub fn set_full(&mut self, full: bool) {
        self.full = full;
    }

    /// REL-7: what adds to what is kept is refused while there is no room; what reads it or takes away from it isn't.
    fn require_room(&self) -> Result<(), Refusal> {
        match self.full {
            true => {
                Err(Refusal::new(ErrorCode::Unavailable, "the relay's disk is full").after(FULL_RETRY_MS))
            }
            false => Ok(()),
        }
    }

    /// What it was opened with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A connection has opened. Ids are the caller's to choose, each once.
    pub fn connect(&mut self, id: ConnectionId, network: Network, now: Timestamp) {
        self.now = self.now.max(now);
        let mut nonce = [0; 32];
        self.rng.fill_bytes(&mut nonce);
        self.connections.insert(id, Connection::new(network, nonce, now));
    }

    /// A connection is gone.
    pub fn disconnect(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.remove(&id) else {
            return;
        };
        self.pumping.remove(&id);
        if let Some(session) = &connection.device
            && self.serving.get(&session.device.mailbox) == Some(&id)
        {
            self.serving.remove(&session.device.mailbox);
        }
        if let Some(name) = &connection.account
            && let Some(sessions) = self.account_sessions.get_mut(name)
        {
            sessions.remove(&id);
            if sessions.is_empty() {
                self.account_sessions.remove(name);
            }
        }
        if let Some(will) = &connection.will
            && let Err(error) = self.execute(connection.network, will, self.now)
        {
            self.failed = Some(error);
        }
    }

    /// A request has come on a connection.
    pub fn receive(&mut self, id: ConnectionId, request: Request, now: Timestamp) {
        self.now = self.now.max(now);
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        // REL-14: until it has greeted, it can't gain time.
        if connection.greeted {
            connection.last_seen = now;
        }
        // REL-11: requests of one connection take effect in order, so they wait behind one that is being checked. Those that are
        // not answered, and so not counted by the network side, don't.
        if connection.checking.is_some() && request.has_reply() {
            connection.waiting.push_back(request);
        } else {
            self.serve(id, request, now);
        }
    }

    /// A check is done.
    pub fn checked(&mut self, id: ConnectionId, checked: Checked, now: Timestamp) {
        let Some(request_id) =
            self.connections.get_mut(&id).and_then(|connection| connection.checking.take())
        else {
            return;
        };
        let result = self.finish_upload(id, checked).map(Some);
        self.answer(id, request_id, true, result);
        while let Some(connection) = self.connections.get_mut(&id).filter(|one| one.checking.is_none()) {
            let Some(request) = connection.waiting.pop_front() else {
                return;
            };
            self.serve(id, request, now);
        }
    }

    /// Whether a commit would do anything.
    pub fn has_work(&self) -> bool {
        !self.outputs.is_empty()
            || !self.pumping.is_empty()
            || self.storage.has_changes()
            || self.failed.is_some()
    }

    /// Makes everything since the last commit durable, and only then hands out what is to be sent.
    ///
    /// # Errors
    /// What the storage says. The service is then at its end, and nothing of this unit may be answered.
    pub fn commit(&mut self) -> Result<Vec<Output>, StorageError> {
        self.pump_all();
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if self.storage.has_changes() {
            self.storage.commit()?;
        }
        Ok(std::mem::take(&mut self.outputs))
    }

    /// Commits until nothing is left to do, with every check run at once: for a driver that has no threads to run them on.
    /// What it gives holds no [`Output::Check`].
    ///
    /// # Errors
    /// Those of [`Service::commit`].
    pub fn settle(&mut self, now: Timestamp) -> Result<Vec<Output>, StorageError> {
        let mut outputs = Vec::new();
        while self.has_work() {
            for output in self.commit()? {
                match output {
                    Output::Check(id, check) => self.checked(id, check.run(), now),
                    other => outputs.push(other),
                }
            }
        }
        Ok(outputs)
    }

    /// REL-1: commits early if the unit would get larger than the storage can promise to keep. What is durable before its
    /// answer leaves has only been kept sooner.
    fn make_room(&mut self, bytes: usize) -> Result<(), StorageError> {
        if self.storage.has_room(bytes) { Ok(()) } else { self.storage.commit() }
    }

    fn serve(&mut self, id: ConnectionId, request: Request, now: Timestamp) {
        if let Err(error) = self.make_room(USUAL_BYTES) {
            self.failed = Some(error);
        }
        let Some(connection) = self.connections.get(&id).filter(|_| self.failed.is_none()) else {
            return;
        };
        let caller = Caller { id, network: connection.network };
        let has_reply = request.has_reply();
        let result =
            if connection.greeted || matches!(request.body, Body::Other(Frame::Hello(_) | Frame::Ping(_))) {
                self.dispatch(caller, request.id, request.body, now)
            } else {
                // REL-12
                Err(Refusal::malformed("a connection begins with hello").into())
            };
        self.answer(id, request.id, has_reply, result);
    }

    /// Answers a request, unless a check will.
    fn answer(
        &mut self,
        id: ConnectionId,
        request_id: u64,
        wanted: bool,
        result: Result<Option<Reply>, Failure>,
    ) {
        let body = match result {
            Ok(Some(body)) => body,
            Ok(None) => return,
            Err(Failure::Refused(refusal)) => Reply::Error(refusal.to_message()),
            Err(Failure::Storage(error)) => {
                self.failed = Some(error);
                return;
            }
        };
        if wanted {
            self.outputs.push(Output::Frame(id, RelayFrame { id: request_id, body: Some(body) }));
        }
    }

    fn dispatch(
        &mut self,
        caller: Caller,
        request_id: u64,
        body: Body,
        now: Timestamp,
    ) -> Result<Option<Reply>, Failure> {
        let frame = match body {
            Body::Deposit(entries) => return self.deposit(caller, &entries, now).map(Some),
            Body::Refused(refusal) => return Err(refusal.into()),
            Body::Other(frame) => frame,
        };
        let reply = match frame {
            Frame::Hello(message) => self.hello(caller, &message, now)?,
            Frame::Ping(relay::Ping {}) => ok(),
            Frame::RegisterStart(message) => self.register_start(caller, &message, now)?,
            Frame::RegisterFinish(message) => self.register_finish(caller, &message, now)?,
            Frame::LoginStart(message) => self.login_start(caller, &message, now)?,
            Frame::LoginFinish(message) => self.login_finish(caller, &message)?,
            Frame::ProposeManifest(message) => self.propose(caller, message, now)?,
            Frame::WithdrawProposal(message) => self.withdraw(caller, &message)?,
            Frame::ChangePasswordStart(message) => self.change_password_start(caller, &message, now)?,
            Frame::ChangePasswordFinish(message) => self.change_password_finish(caller, message)?,
            Frame::DeleteAccount(message) => self.delete_account(caller, message, now)?,
            Frame::DeviceLogin(message) => self.device_login(caller, &message, now)?,
            Frame::ConfirmProposal(message) => self.confirm(caller, &message, now)?,
            Frame::RejectProposal(message) => self.reject(caller, &message)?,
            Frame::PutAddress(message) => self.put_address(caller, &message, now)?,
            Frame::CloseAddress(message) => self.close_address(caller, &message, now)?,
            Frame::UploadPrekeys(message) => {
                self.begin_upload(caller, request_id, message, now)?;
                return Ok(None);
            }
            Frame::Subscribe(message) => self.subscribe(caller, message)?,
            Frame::Credit(message) => {
                self.credit(caller, message)?;
                return Ok(None);
            }
            Frame::Ack(message) => self.ack(caller, &message, now)?,
            Frame::PutStatement(message) => self.put_statement(caller, &message, now)?,
            Frame::PutRecord(message) => self.put_record(caller, message, now)?,
            Frame::GetTickets(message) => self.get_tickets(caller, &message, now)?,
            Frame::Lookup(message) => self.lookup(caller, &message, now)?,
            Frame::GetManifests(message) => self.get_manifests(caller, &message, now)?,
            Frame::FetchBundle(message) => self.fetch_bundle(caller, &message, now)?,
            Frame::GetRecord(message) => self.get_record(caller, &message, now)?,
            Frame::PutLastWill(message) => self.put_last_will(caller, message, now)?,
            Frame::Deposit(_) => return Err(Refusal::malformed("a deposit").into()),
        };
        Ok(Some(reply))
    }

    /// Sends something that nobody asked for.
    fn push(&mut self, id: ConnectionId, body: Reply) {
        self.outputs.push(Output::Frame(id, RelayFrame { id: 0, body: Some(body) }));
    }

    /// Tells a connection why, and closes it.
    fn end(&mut self, id: ConnectionId, why: Refusal) {
        self.push(id, Reply::Error(why.to_message()));
        self.outputs.push(Output::Close(id));
        self.disconnect(id);
    }

    /// The full address of a name here.
    fn address(&self, name: &Name) -> Address {
        Address::new(name.clone(), self.domain.clone())
    }
}

fn ok() -> Reply {
    Reply::Ok(relay::Ok {})
}
