//! What the service knows of one connection.
//!
//! A connection begins anonymous. A password makes it an *account session*, a device's signature a *device session*; it can
//! be both. What is done without telling who, deposits and bundles, is refused on either (REL-13).

use std::{collections::VecDeque, net::IpAddr, sync::Arc};

use wheesht_core::{
    crypto::sign::VerifyingKey,
    proto::{address::Name, relay::ErrorCode},
    time::Timestamp,
};

use super::{
    Service, delivery::Feed, password::PendingLogin, refusal::Refusal, request::Request, wills::Will,
};
use crate::storage::Device;

/// A connection, for as long as the process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Where a connection comes from, as far as limits care: an IPv4 address, or the /64 of an IPv6 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network(u64);

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(u64::from(address.to_bits())),
            // A /64 below 2^32 is ::/32, which nobody comes from, so the two can't be confused.
            IpAddr::V6(address) => Self((address.to_bits() >> 64) as u64),
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    pub(super) id: ConnectionId,
    pub(super) network: Network,
}

pub(super) struct Connection {
    pub(super) network: Network,
    /// What a device login on this connection signs.
    pub(super) nonce: [u8; 32],
    pub(super) greeted: bool,
    pub(super) last_seen: Timestamp,
    pub(super) login: Option<PendingLogin>,
    pub(super) account: Option<Name>,
    pub(super) device: Option<Arc<DeviceSession>>,
    pub(super) feed: Option<Feed>,
    /// So much waits to go out on it that nothing more is read for it.
    pub(super) held: bool,
    /// What it leaves when it ends.
    pub(super) will: Option<Will>,
    /// The request that is being checked elsewhere.
    pub(super) checking: Option<u64>,
    /// Requests behind it. Bounded by the requests that the network side lets under way.
    pub(super) waiting: VecDeque<Request>,
}

/// A device that has shown who it is.
pub(super) struct DeviceSession {
    pub(super) name: Name,
    pub(super) device: Device,
    pub(super) key: VerifyingKey,
}

impl Connection {
    pub(super) fn new(network: Network, nonce: [u8; 32], now: Timestamp) -> Self {
        Self {
            network,
            nonce,
            greeted: false,
            last_seen: now,
            login: None,
            account: None,
            device: None,
            feed: None,
            held: false,
            will: None,
            checking: None,
            waiting: VecDeque::new(),
        }
    }
}

impl<S> Service<S> {
    pub(super) fn connection(&mut self, caller: Caller) -> Result<&mut Connection, Refusal> {
        // Only a connection that is there can ask; the error is for the type.
        self.connections.get_mut(&caller.id).ok_or(Refusal::new(ErrorCode::Internal, "no such connection"))
    }

    /// The device that is logged in on the caller's connection.
    pub(super) fn device_session(&mut self, caller: Caller) -> Result<Arc<DeviceSession>, Refusal> {
        let refusal =
            Refusal::new(ErrorCode::NotAuthenticated, "this takes a device login on the connection");
        self.connection(caller)?.device.clone().ok_or(refusal)
    }

    /// The account whose password the caller has shown on this connection.
    pub(super) fn account_session(&mut self, caller: Caller) -> Result<Name, Refusal> {
        let refusal =
            Refusal::new(ErrorCode::NotAuthenticated, "this takes a password login on the connection");
        self.connection(caller)?.account.clone().ok_or(refusal)
    }

    /// REL-13: the relay is not to learn who deposits and who fetches keys, not even from a careless client.
    pub(super) fn require_anonymous(&mut self, caller: Caller) -> Result<(), Refusal> {
        let connection = self.connection(caller)?;
        if connection.account.is_none() && connection.device.is_none() {
            Ok(())
        } else {
            Err(Refusal::new(ErrorCode::NotAuthenticated, "use a connection that has not shown who it is"))
        }
    }
}
