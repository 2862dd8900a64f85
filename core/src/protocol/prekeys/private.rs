//! The private half of a prekey, as a device keeps it.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    crypto::{
        dh::DhSecret,
        kem::{Kem, KemSeed, MlKem768},
    },
    proto::limits::ENVELOPE_LIFETIME_MS,
    protocol::codec::{InvalidStored, Reader, Writer},
    signed::PrekeyKind,
    time::Timestamp,
};

const STORED_VERSION: u8 = 1;

/// The private half of a prekey.
#[derive(Debug, Clone)]
pub struct PrivatePrekey {
    id: u32,
    kind: PrekeyKind,
    expires: Timestamp,
    secret: PrekeySecret,
}

#[derive(Debug, Clone)]
pub(in crate::protocol) enum PrekeySecret {
    Dh(DhSecret),
    Kem(KemSeed),
}

impl PrivatePrekey {
    pub(super) fn generate(
        kind: PrekeyKind,
        id: u32,
        expires: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Option<Self> {
        let secret = match kind {
            PrekeyKind::Unspecified => return None,
            PrekeyKind::SignedX25519 | PrekeyKind::OneTimeX25519 => PrekeySecret::Dh(DhSecret::generate(rng)),
            PrekeyKind::OneTimeKem | PrekeyKind::LastResortKem => PrekeySecret::Kem(KemSeed::generate(rng)),
        };
        Some(Self { id, kind, expires, secret })
    }

    /// From its parts, as a test vector names them.
    #[cfg(test)]
    pub(in crate::protocol) fn of(
        kind: PrekeyKind,
        id: u32,
        expires: Timestamp,
        secret: PrekeySecret,
    ) -> Self {
        Self { id, kind, expires, secret }
    }

    /// Its id: the key of its row.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// What it is for.
    pub fn kind(&self) -> PrekeyKind {
        self.kind
    }

    /// From when on nobody encrypts to it.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// From when on nothing that was encrypted to it can still arrive: delete its row then.
    pub fn forget_after(&self) -> Timestamp {
        self.expires.plus_millis(ENVELOPE_LIFETIME_MS)
    }

    /// The encoded public half.
    pub fn public_key(&self) -> Vec<u8> {
        match &self.secret {
            PrekeySecret::Dh(secret) => secret.public().to_vec(),
            PrekeySecret::Kem(seed) => MlKem768::public_key(seed),
        }
    }

    pub(in crate::protocol) fn secret(&self) -> &PrekeySecret {
        &self.secret
    }

    /// The stored form.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let Self { id, kind, expires, secret } = self;
        let mut out = Writer::new(STORED_VERSION, 4 + 1 + 8 + DhSecret::STORED_LEN.max(KemSeed::LEN));
        out.u32(*id).u8(kind_byte(*kind)).u64(expires.as_millis());
        match secret {
            PrekeySecret::Dh(secret) => out.dh_secret(secret),
            PrekeySecret::Kem(seed) => out.raw(seed.expose()),
        };
        out.finish()
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`InvalidStored`] if the bytes are none.
    pub fn decode(stored: &[u8]) -> Result<Self, InvalidStored> {
        let mut input = Reader::new(stored, STORED_VERSION)?;
        let read = |input: &mut Reader<'_>| {
            let id = input.u32()?;
            let kind = PrekeyKind::try_from(i32::from(input.u8()?)).ok()?;
            let expires = Timestamp::from_millis(input.u64()?);
            let secret = match kind {
                PrekeyKind::Unspecified => return None,
                PrekeyKind::SignedX25519 | PrekeyKind::OneTimeX25519 => PrekeySecret::Dh(input.dh_secret()?),
                PrekeyKind::OneTimeKem | PrekeyKind::LastResortKem => {
                    PrekeySecret::Kem(KemSeed::restore(input.array()?))
                }
            };
            Some(Self { id, kind, expires, secret })
        };
        let prekey = read(&mut input).ok_or(InvalidStored::Damaged)?;
        input.end().ok_or(InvalidStored::Damaged)?;
        Ok(prekey)
    }
}

/// The kind's number on the wire, which is below 256.
fn kind_byte(kind: PrekeyKind) -> u8 {
    u8::try_from(i32::from(kind)).unwrap_or_default()
}
