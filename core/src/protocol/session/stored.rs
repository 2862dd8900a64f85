//! A session's stored form: versioned, with room for the state of a second, post-quantum ratchet.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Session, SessionId, Unanswered, message::Setup};
use crate::{
    crypto::dh::DhPublic,
    proto::{
        ids::{AccountId, DeviceId},
        limits::SUITE_1,
    },
    protocol::{
        codec::{InvalidStored, Reader, Writer},
        ratchet::Ratchet,
    },
    time::Timestamp,
};

/// Raised when the form changes; older ones stay readable.
// SES-17
const STORED_VERSION: u8 = 1;

/// More than any session takes but for its set-up.
const ROOM: usize = 512;

impl Session {
    /// The stored form.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let Self { id, generation, account, device, last_step, unanswered, ratchet } = self;
        let setup_len = unanswered.as_ref().map_or(0, |unanswered| unanswered.setup.kem_ciphertext.len());
        let mut out = Writer::new(STORED_VERSION, ROOM.saturating_add(setup_len));
        out.u32(SUITE_1).raw(id.as_bytes()).u32(*generation);
        out.raw(account.as_bytes()).raw(device.as_bytes()).u64(last_step.as_millis());
        ratchet.write(&mut out);
        // The slot of the post-quantum ratchet's state.
        out.bytes(&[]);
        match unanswered {
            None => {
                out.u8(0);
            }
            Some(Unanswered { setup, usable_until }) => {
                out.u8(1).u64(usable_until.as_millis());
                setup.write(&mut out);
            }
        }
        out.finish()
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`InvalidStored`] if the bytes are none.
    pub fn decode(stored: &[u8]) -> Result<Self, InvalidStored> {
        let mut input = Reader::new(stored, STORED_VERSION)?;
        let session = Self::read(&mut input).ok_or(InvalidStored::Damaged)?;
        input.end().ok_or(InvalidStored::Damaged)?;
        Ok(session)
    }

    fn read(input: &mut Reader<'_>) -> Option<Self> {
        if input.u32()? != SUITE_1 {
            return None;
        }
        let id = SessionId::new(*input.array()?);
        let generation = input.u32()?;
        let account = AccountId::new(*input.array()?);
        let device = DeviceId::new(*input.array()?);
        let last_step = Timestamp::from_millis(input.u64()?);
        let ratchet = Ratchet::read(input)?;
        if !input.bytes()?.is_empty() {
            return None;
        }
        let unanswered = if input.bool()? {
            let usable_until = Timestamp::from_millis(input.u64()?);
            Some(Unanswered { setup: Arc::new(Setup::restore(input)?), usable_until })
        } else {
            None
        };
        Some(Self { id, generation, account, device, last_step, unanswered, ratchet })
    }
}

impl Setup {
    fn write(&self, out: &mut Writer) {
        let Self { generation, base_key, signed, one_time, kem, last_resort, kem_ciphertext } = self;
        out.u32(*generation).raw(base_key.as_bytes()).u32(*signed).u32(one_time.unwrap_or_default());
        out.u32(*kem).u8(u8::from(*last_resort)).bytes(kem_ciphertext);
    }

    fn restore(input: &mut Reader<'_>) -> Option<Self> {
        let setup = Self {
            generation: input.u32()?,
            base_key: DhPublic::new(*input.array()?),
            signed: input.u32()?,
            one_time: Some(input.u32()?).filter(|id| *id != 0),
            kem: input.u32()?,
            last_resort: input.bool()?,
            kem_ciphertext: input.bytes()?.to_vec(),
        };
        setup.has_form().then_some(setup)
    }
}
