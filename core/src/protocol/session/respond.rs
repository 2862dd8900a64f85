//! Accepting a session that another device began: its first message sets it up, or nothing happens.

use std::fmt;

use zeroize::Zeroizing;

use super::{
    Session,
    message::{Setup, UnverifiedSessionMessage},
    pqxdh::{Agreements, PrekeyPublics, Transcript},
};
use crate::{
    crypto::{
        dh::{DhPublic, DhSecret, LowOrderPoint},
        kem::{Kem, KemSeed, MlKem768},
    },
    proto::limits::{DAY_MS, PROTOCOL_VERSION, SUITE_1},
    protocol::{
        LocalDevice, padding,
        prekeys::{PrekeySecret, PrivatePrekey},
        ratchet::{Incoming, Ratchet, Refusal, SkippedDelta},
    },
    signed::{DeviceCertificate, PrekeyKind},
    time::Timestamp,
};

/// What [`UnverifiedSessionMessage::prekeys`] named, read from the store.
#[derive(Debug)]
pub struct PrekeyRows {
    /// The signed prekey's row.
    pub signed: Option<PrivatePrekey>,
    /// The one-time prekey's row, if the message names one.
    pub one_time: Option<PrivatePrekey>,
    /// The KEM prekey's row.
    pub kem: Option<PrivatePrekey>,
    /// Whether the base key was remembered ([`Accepted::remember`]).
    pub base_key_seen: bool,
}

/// A session accepted. Everything here goes into one transaction.
pub struct Accepted {
    /// The first message's content.
    pub content: Zeroizing<Vec<u8>>,
    /// The session, to be stored.
    pub session: Session,
    /// Keys of messages that were overtaken.
    pub skipped: SkippedDelta,
    /// Rows of one-time prekeys, to be deleted.
    pub spent: Vec<u32>,
    /// A base key to remember, if a last-resort key was used.
    pub remember: Option<BaseKeyMark>,
}

impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { content: _, session, skipped, spent, remember } = self;
        f.debug_struct("Accepted")
            .field("session", session)
            .field("skipped", skipped)
            .field("spent", spent)
            .field("remember", remember)
            .finish_non_exhaustive()
    }
}

/// A base key that must not set up a second session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BaseKeyMark {
    /// The key.
    pub base_key: DhPublic,
    /// Until when it is remembered: longer than the last-resort key is accepted.
    pub until: Timestamp,
}

/// Why a session was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RespondError {
    /// The message is of an established session: it sets nothing up.
    #[error("the message sets up no session")]
    NoSetup,
    /// The other device is this one, or speaks no suite or version that this one does.
    #[error("not a device to have a session with")]
    UnfitPeer,
    /// A prekey that the message names is not there: it was used, or its time is long over.
    #[error("a prekey that the message names is gone")]
    PrekeyGone,
    /// The message names a prekey of another kind.
    #[error("a prekey of another kind")]
    OtherKind,
    /// The base key has set up a session before.
    #[error("the message is a replay")]
    Replay,
    /// The message's place is impossible or too far on for a first one.
    #[error("not a first message")]
    NotFirst,
    /// Keys or message are not authentic.
    #[error("not authentic")]
    NotAuthentic,
    /// The message is authentic, but its content isn't padded.
    #[error("malformed content")]
    Malformed,
}

impl Session {
    /// Accepts a session with the device of `peer` (a certificate that has been verified and stands in its manifest), and
    /// decrypts the message that sets it up.
    ///
    /// # Errors
    /// [`RespondError`]; nothing is changed then, and no prekey is spent.
    pub fn respond(
        local: &LocalDevice<'_>,
        peer: &DeviceCertificate,
        rows: &PrekeyRows,
        message: &UnverifiedSessionMessage,
        aad: &[u8],
        now: Timestamp,
    ) -> Result<Accepted, RespondError> {
        let setup = message.setup.as_ref().ok_or(RespondError::NoSetup)?;
        check_peer(local, peer)?;
        // SES-10
        if setup.last_resort && rows.base_key_seen {
            return Err(RespondError::Replay);
        }
        let secrets = Secrets::of(rows, setup, now)?;
        let (agreements, kem_public) = secrets.agree(local.dh, peer, setup)?;
        let one_time = secrets.one_time.map(|secret| secret.public().as_bytes().as_slice());
        let transcript = Transcript {
            initiator: peer,
            responder: local.certificate,
            setup,
            publics: PrekeyPublics { signed: secrets.signed.public().as_bytes(), one_time, kem: &kem_public },
        };
        let (root, id) = agreements.derive(&transcript);
        if id != message.session {
            return Err(RespondError::NotAuthentic);
        }
        let received = Ratchet::responder(root, secrets.signed).open(&Incoming {
            session: id,
            position: &message.position,
            synthetic: &message.synthetic,
            ciphertext: &message.ciphertext,
            aad: &message.aad(aad),
        })?;
        let content = padding::unpad(&received.padded).map_err(|_| RespondError::Malformed)?;
        Ok(Accepted {
            content: Zeroizing::new(content.to_vec()),
            session: Self {
                id,
                generation: setup.generation,
                account: peer.identity(),
                device: peer.device_id(),
                last_step: now,
                unanswered: None,
                ratchet: received.ratchet,
            },
            skipped: received.skipped,
            // SES-9
            spent: setup.one_time.into_iter().chain((!setup.last_resort).then_some(setup.kem)).collect(),
            // SES-10
            remember: setup.last_resort.then_some(BaseKeyMark {
                base_key: setup.base_key,
                until: secrets.forget_kem_after.plus_millis(DAY_MS),
            }),
        })
    }
}

impl From<Refusal<std::convert::Infallible>> for RespondError {
    fn from(refusal: Refusal<std::convert::Infallible>) -> Self {
        match refusal {
            Refusal::Impossible | Refusal::TooFarAhead | Refusal::KeyGone => Self::NotFirst,
            Refusal::NotAuthentic => Self::NotAuthentic,
            Refusal::Store(never) => match never {},
        }
    }
}

// SES-6
fn check_peer(local: &LocalDevice<'_>, peer: &DeviceCertificate) -> Result<(), RespondError> {
    let fit = peer.device_id() != local.certificate.device_id()
        && peer.suites().contains(&SUITE_1)
        && peer.min_version() <= PROTOCOL_VERSION;
    if fit { Ok(()) } else { Err(RespondError::UnfitPeer) }
}

/// The secrets that a set-up names, each of its kind and in its time.
struct Secrets<'a> {
    signed: &'a DhSecret,
    one_time: Option<&'a DhSecret>,
    kem: &'a KemSeed,
    forget_kem_after: Timestamp,
}

impl<'a> Secrets<'a> {
    // SES-11
    fn of(rows: &'a PrekeyRows, setup: &Setup, now: Timestamp) -> Result<Self, RespondError> {
        let find = |row: &'a Option<PrivatePrekey>, id: u32, kind: PrekeyKind| match row {
            Some(row) if row.id() != id || now >= row.forget_after() => Err(RespondError::PrekeyGone),
            Some(row) if row.kind() != kind => Err(RespondError::OtherKind),
            Some(row) => Ok(row),
            None => Err(RespondError::PrekeyGone),
        };
        let dh = |row: &'a PrivatePrekey| match row.secret() {
            PrekeySecret::Dh(secret) => Ok(secret),
            PrekeySecret::Kem(_) => Err(RespondError::OtherKind),
        };
        let kem_kind = if setup.last_resort { PrekeyKind::LastResortKem } else { PrekeyKind::OneTimeKem };
        let kem_row = find(&rows.kem, setup.kem, kem_kind)?;
        let PrekeySecret::Kem(kem) = kem_row.secret() else {
            return Err(RespondError::OtherKind);
        };
        let one_time =
            setup.one_time.map(|id| find(&rows.one_time, id, PrekeyKind::OneTimeX25519).and_then(dh));
        Ok(Self {
            signed: find(&rows.signed, setup.signed, PrekeyKind::SignedX25519).and_then(dh)?,
            one_time: one_time.transpose()?,
            kem,
            forget_kem_after: kem_row.forget_after(),
        })
    }

    fn agree(
        &self,
        device: &DhSecret,
        peer: &DeviceCertificate,
        setup: &Setup,
    ) -> Result<(Agreements, Vec<u8>), RespondError> {
        let refused = |LowOrderPoint| RespondError::NotAuthentic;
        let base = &setup.base_key;
        let (kem, kem_public) =
            MlKem768::decapsulate(self.kem, &setup.kem_ciphertext).map_err(|_| RespondError::NotAuthentic)?;
        let agreements = Agreements {
            dh1: self.signed.agree(&DhPublic::new(*peer.dh_key())).map_err(refused)?,
            dh2: device.agree(base).map_err(refused)?,
            dh3: self.signed.agree(base).map_err(refused)?,
            dh4: self.one_time.map(|secret| secret.agree(base)).transpose().map_err(refused)?,
            kem,
        };
        Ok((agreements, kem_public))
    }
}
