//! The opening of a connection: versions, the relay's name, its limits, and the nonce that a login signs.

use wheesht_core::{
    proto::{
        limits::{
            MAX_DEPOSIT_ENTRIES, MAX_ENVELOPE, MAX_EPHEMERAL, MAX_FRAME, MAX_IN_FLIGHT, MAX_RECORD,
            PROTOCOL_VERSION,
        },
        relay::{self, ErrorCode, relay_frame::Body as Reply},
    },
    time::Timestamp,
};

use super::{Caller, Service, refusal::Refusal};
use crate::storage::Storage;

impl<S: Storage> Service<S> {
    pub(super) fn hello(
        &mut self,
        caller: Caller,
        message: &relay::Hello,
        now: Timestamp,
    ) -> Result<Reply, Refusal> {
        // REL-12
        if !(message.min_version..=message.max_version).contains(&PROTOCOL_VERSION) {
            return Err(Refusal::new(ErrorCode::UnsupportedVersion, "this relay speaks version 1"));
        }
        let connection = self.connection(caller)?;
        connection.greeted = true;
        connection.last_seen = now;
        let nonce = connection.nonce.to_vec();
        Ok(Reply::HelloOk(relay::HelloOk {
            version: PROTOCOL_VERSION,
            relay: self.domain.authority(),
            nonce,
            now_ms: now.as_millis(),
            limits: Some(relay::Limits {
                max_frame: MAX_FRAME as u32,
                max_envelope: MAX_ENVELOPE as u32,
                max_deposit_entries: MAX_DEPOSIT_ENTRIES as u32,
                max_record: MAX_RECORD as u32,
                max_in_flight: MAX_IN_FLIGHT as u32,
                envelope_lifetime_ms: self.settings.envelope_lifetime_ms,
                eviction_grace_ms: self.settings.eviction_grace_ms,
                idle_timeout_ms: self.settings.limits.idle_timeout_ms,
                max_ephemeral: MAX_EPHEMERAL as u32,
                max_blob: self.settings.limits.max_blob,
            }),
        }))
    }
}
