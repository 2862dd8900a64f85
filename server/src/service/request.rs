//! From a frame's bytes to a request, before it reaches the service: what needs no state is done here, on the connection's
//! own task. That is the decoding, and the hashing of envelopes.

use prost::{Message, bytes::Bytes};
use wheesht_core::proto::{
    ids::{DepositAddress, DeviceId, EnvelopeId},
    limits::{MAX_DEPOSIT_ADDRESSES, MAX_DEPOSIT_ENTRIES, MAX_FRAME, MAX_RECORD},
    relay::{self, ErrorCode, client_frame::Body as Frame},
};

use super::refusal::Refusal;

/// A client's request, of its form.
pub struct Request {
    pub(crate) id: u64,
    pub(crate) body: Body,
}

pub(crate) enum Body {
    Deposit(Vec<Entry>),
    Other(Frame),
    /// Not of its form: the service answers in its turn, so that answers keep their order.
    Refused(Refusal),
}

/// One entry of a deposit.
pub(crate) struct Entry {
    pub(crate) id: EnvelopeId,
    pub(crate) envelope: Bytes,
    /// Ascending, none twice.
    pub(crate) addresses: Vec<DepositAddress>,
    /// For a request address: which device.
    pub(crate) device: Option<DeviceId>,
    /// Above 0: ephemeral, and for how long it is worth delivering.
    pub(crate) ephemeral_ms: u32,
}

/// The bytes are no frame at all. Such a connection is closed: nobody knows which request to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a frame")]
pub struct NotAFrame;

impl Request {
    /// Reads one WebSocket message.
    ///
    /// # Errors
    /// [`NotAFrame`]. A frame whose fields are wrong is a request, and its answer a refusal.
    pub fn decode(bytes: Bytes) -> Result<Self, NotAFrame> {
        // REL-10
        let frame = relay::ClientFrame::decode(bytes).map_err(|_| NotAFrame)?;
        // An answer to request 0 would look like a push.
        if frame.id == 0 { Err(NotAFrame) } else { Ok(Self::new(frame)) }
    }

    /// Takes a frame that is decoded already.
    pub fn new(frame: relay::ClientFrame) -> Self {
        let body = match frame.body {
            Some(Frame::Deposit(deposit)) => entries(deposit).map_or_else(Body::Refused, Body::Deposit),
            Some(other) => Body::Other(other),
            None => Body::Refused(Refusal::malformed("the frame has no request that this relay knows")),
        };
        Self { id: frame.id, body }
    }

    /// Whether it will be answered.
    pub(crate) fn has_reply(&self) -> bool {
        !matches!(self.body, Body::Other(Frame::Credit(_)))
    }

    /// Bytes that the answer may take, where that is much.
    pub(crate) fn reply_room(&self) -> usize {
        match &self.body {
            Body::Other(Frame::GetRecord(_)) => MAX_RECORD,
            Body::Other(Frame::GetManifests(_)) => MAX_FRAME,
            _ => 0,
        }
    }
}

fn entries(deposit: relay::Deposit) -> Result<Vec<Entry>, Refusal> {
    if deposit.entries.len() > MAX_DEPOSIT_ENTRIES {
        return Err(Refusal::new(ErrorCode::TooLarge, "too many entries in a deposit"));
    }
    deposit.entries.into_iter().map(entry).collect()
}

fn entry(entry: relay::DepositEntry) -> Result<Entry, Refusal> {
    let addresses = ascending(&entry.addresses)?;
    let device = match &*entry.device_id {
        [] => None,
        id => Some(DeviceId::try_from(id).map_err(|_| Refusal::malformed("a device id has 16 bytes"))?),
    };
    let relay::DepositEntry { envelope, ephemeral_ms, .. } = entry;
    Ok(Entry { id: EnvelopeId::of(&envelope), envelope, addresses, device, ephemeral_ms })
}

/// REL-51: a list of addresses in its one form.
pub(super) fn ascending(addresses: &[Vec<u8>]) -> Result<Vec<DepositAddress>, Refusal> {
    if addresses.len() > MAX_DEPOSIT_ADDRESSES {
        return Err(Refusal::new(ErrorCode::TooLarge, "too many addresses in an entry"));
    }
    let addresses: Vec<DepositAddress> = addresses
        .iter()
        .map(|address| DepositAddress::try_from(&**address))
        .collect::<Result<_, _>>()
        .map_err(|_| Refusal::malformed("a deposit address has 16 bytes"))?;
    if addresses.is_empty() || !addresses.is_sorted_by(|one, next| one < next) {
        return Err(Refusal::malformed("an entry names addresses, ascending, none twice"));
    }
    Ok(addresses)
}
