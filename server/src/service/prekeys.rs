//! Uploads of prekeys.
//!
//! Two hundred signatures take milliseconds, too long for everyone else to wait. So an upload is looked at, handed out as a
//! [`PrekeyCheck`], and stored when that has come back; the connection's later requests wait behind it.

use wheesht_core::{
    crypto::sign::VerifyingKey,
    proto::{
        ids::{DeviceId, MailboxId},
        limits::ONE_TIME_PREKEYS,
        relay::{self, ErrorCode, relay_frame::Body as Reply},
    },
    signed::{PrekeyError, PrekeyKind, SignedPrekey, UnverifiedPrekey},
    time::Timestamp,
};

use super::{Caller, ConnectionId, Failure, Output, Service, refusal::Refusal};
use crate::storage::{OneTimeKind, SingleKind, Storage};

/// An upload whose signatures are to be verified.
pub struct PrekeyCheck {
    key: VerifyingKey,
    device: DeviceId,
    now: Timestamp,
    message: relay::UploadPrekeys,
}

/// What came of a [`PrekeyCheck`].
pub struct Checked(Result<Vec<SignedPrekey>, Refusal>);

impl PrekeyCheck {
    /// Verifies the upload. Takes up to ten milliseconds.
    pub fn run(self) -> Checked {
        let Self { key, device, now, message } = self;
        let singles = [
            (message.signed_prekey, PrekeyKind::SignedX25519),
            (message.last_resort_kem, PrekeyKind::LastResortKem),
        ];
        let one_time = message.one_time.into_iter().map(|prekey| (prekey, PrekeyKind::OneTimeX25519));
        let one_time_kem = message.one_time_kem.into_iter().map(|prekey| (prekey, PrekeyKind::OneTimeKem));
        let singles = singles.into_iter().filter(|(prekey, _)| !prekey.is_empty());
        // REL-40
        let verify = |(prekey, kind): (Vec<u8>, PrekeyKind)| {
            UnverifiedPrekey::decode(&prekey)?.verify(&key, &device, kind, now)
        };
        let prekeys: Result<Vec<_>, PrekeyError> =
            singles.chain(one_time).chain(one_time_kem).map(verify).collect();
        Checked(prekeys.map_err(bad_prekey))
    }
}

/// One-time prekeys of each kind that a device may have here: a refill may meet keys that were not handed out yet.
const MOST_ONE_TIME: u32 = 2 * ONE_TIME_PREKEYS as u32;

/// About what a prekey's rows take beside the prekey.
const PREKEY_BYTES: usize = 128;

impl<S: Storage> Service<S> {
    pub(super) fn begin_upload(
        &mut self,
        caller: Caller,
        request_id: u64,
        message: relay::UploadPrekeys,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let session = self.device_session(caller)?;
        if message.one_time.len() > ONE_TIME_PREKEYS || message.one_time_kem.len() > ONE_TIME_PREKEYS {
            return Err(Refusal::new(ErrorCode::TooLarge, "at most 100 one-time prekeys of a kind").into());
        }
        self.gates.prekey_uploads.pass(session.device.mailbox, now)?;
        self.require_room()?;
        self.connection(caller)?.checking = Some(request_id);
        let check = PrekeyCheck { key: session.key, device: session.device.id, now, message };
        self.outputs.push(Output::Check(caller.id, check));
        Ok(())
    }

    pub(super) fn finish_upload(&mut self, id: ConnectionId, checked: Checked) -> Result<Reply, Failure> {
        let prekeys = checked.0?;
        let session = self.connections.get(&id).and_then(|connection| connection.device.clone());
        let session = session.ok_or(Refusal::new(ErrorCode::NotAuthenticated, "no longer logged in"))?;
        let mailbox = &session.device.mailbox;
        for prekey in &prekeys {
            let encoded = prekey.encoded();
            // REL-1: prekeys are independent of each other, so a commit may come between any two.
            self.make_room(encoded.len() + PREKEY_BYTES)?;
            match prekey.kind() {
                PrekeyKind::SignedX25519 => {
                    self.storage.put_single_prekey(mailbox, SingleKind::Signed, prekey.id(), encoded)?;
                }
                PrekeyKind::LastResortKem => {
                    self.storage.put_single_prekey(
                        mailbox,
                        SingleKind::LastResortKem,
                        prekey.id(),
                        encoded,
                    )?;
                }
                PrekeyKind::OneTimeX25519 => self.add_one_time(mailbox, OneTimeKind::Curve, prekey)?,
                PrekeyKind::OneTimeKem => self.add_one_time(mailbox, OneTimeKind::Kem, prekey)?,
                // No upload has a field for such.
                PrekeyKind::Unspecified => {}
            }
        }
        Ok(Reply::PrekeyCounts(self.prekey_counts(mailbox)?))
    }

    /// REL-42: what goes beyond the pool's size is left out, and the client sees it by the counts.
    fn add_one_time(
        &mut self,
        mailbox: &MailboxId,
        kind: OneTimeKind,
        prekey: &SignedPrekey,
    ) -> Result<(), Failure> {
        let held = self.storage.prekeys(mailbox)?;
        let count = match kind {
            OneTimeKind::Curve => held.one_time,
            OneTimeKind::Kem => held.one_time_kem,
        };
        if count < MOST_ONE_TIME {
            self.storage.add_one_time_prekey(mailbox, kind, prekey.id(), prekey.encoded())?;
        }
        Ok(())
    }

    pub(super) fn prekey_counts(&self, mailbox: &MailboxId) -> Result<relay::PrekeyCounts, Failure> {
        let held = self.storage.prekeys(mailbox)?;
        Ok(relay::PrekeyCounts {
            one_time: held.one_time,
            one_time_kem: held.one_time_kem,
            signed_prekey_id: held.signed,
            last_resort_kem_id: held.last_resort_kem,
        })
    }
}

fn bad_prekey(error: PrekeyError) -> Refusal {
    match error {
        PrekeyError::BadSignature => {
            Refusal::new(ErrorCode::BadSignature, "a prekey's signature does not hold")
        }
        _ => {
            Refusal::malformed("a prekey is not of its form, of another device, of another kind, or expired")
        }
    }
}
