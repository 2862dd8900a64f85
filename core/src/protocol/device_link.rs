//! A link by which a new device joins without a code being compared: a text, or a code to scan, that an existing device shows.
//!
//! It says which account at which relay, by the fingerprints of both, and holds a secret for one use. The new device proves with it
//! that its proposal is the one that the link was shown to; the proof goes through the relay, which can neither make one nor learn
//! the secret from it. Who has the link alone has nothing: joining takes the password too.

use std::fmt;

use prost::Message as _;
use rand_core::CryptoRng;
use subtle::ConstantTimeEq as _;
use wheesht_proto::{
    account,
    address::Address,
    base64url,
    ids::{AccountId, DeviceId},
};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{
    crypto::{kdf::Prf, secret::secret},
    signed::decode_canonical,
    time::Timestamp,
};

/// What every link begins with.
const SCHEME: &str = "wheesht:device/";

/// Longest link in characters: an address of at most 300 bytes, and what is fixed.
const MAX_LINK: usize = 768;

secret! {
    /// Makes proofs and does nothing else.
    struct ProofKey;
}

/// The text is no link for a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a link for a device is written wheesht:device/…; copy it whole")]
pub struct InvalidDeviceLink;

/// What the link's holder knows and the relay does not: 128 bits, for ten minutes. Wiped on drop.
#[derive(Clone)]
pub struct LinkSecret([u8; 16]);

impl LinkSecret {
    /// A new one.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut secret = Self([0; 16]);
        rng.fill_bytes(&mut secret.0);
        secret
    }

    /// From where it was stored.
    pub fn restore(stored: &[u8; 16]) -> Self {
        Self(*stored)
    }

    /// To store it sealed.
    pub const fn expose(&self) -> &[u8; 16] {
        &self.0
    }

    /// That who made this proposal knows the secret, for the device that made the link.
    // DEV-21
    pub fn proof(&self, maker: &DeviceId, proposal: &[u8; 32]) -> [u8; 32] {
        let key: ProofKey = Prf::extract(b"wheesht/1 device link", &[&self.0])
            .derive("wheesht/1 device link proof", &[maker.as_ref()]);
        Prf::new(&key).mac(&[proposal])
    }

    /// Whether the proof is that.
    pub fn proves(&self, maker: &DeviceId, proposal: &[u8; 32], proof: &[u8]) -> bool {
        self.proof(maker, proposal).ct_eq(proof).into()
    }
}

impl Drop for LinkSecret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for LinkSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.debug_struct("LinkSecret").finish_non_exhaustive()
    }
}

/// What a link says.
pub struct DeviceLink {
    /// The account's address, with the way to its relay.
    pub address: Address,
    /// The account.
    pub identity: AccountId,
    /// The device that made it.
    pub maker: DeviceId,
    /// Until when it can be used.
    pub expires: Timestamp,
    /// What is shown to be known.
    pub secret: LinkSecret,
}

impl DeviceLink {
    /// The text.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut message = account::DeviceLink {
            address: self.address.to_string(),
            identity: self.identity.to_vec(),
            device_id: self.maker.to_vec(),
            expires_ms: self.expires.as_millis(),
            secret: self.secret.0.to_vec(),
        };
        let encoded = Zeroizing::new(message.encode_to_vec());
        message.secret.zeroize();
        let body = Zeroizing::new(base64url::encode(&encoded));
        Zeroizing::new([SCHEME, &body].concat())
    }

    /// What a text says.
    ///
    /// # Errors
    /// [`InvalidDeviceLink`].
    pub fn from_text(text: &str) -> Result<Self, InvalidDeviceLink> {
        Self::read(text).ok_or(InvalidDeviceLink)
    }

    fn read(text: &str) -> Option<Self> {
        // DEV-20
        let text = text.trim();
        let encoded = text.strip_prefix(SCHEME).filter(|_| text.len() <= MAX_LINK)?;
        let bytes = Zeroizing::new(base64url::decode(encoded)?);
        let mut message: account::DeviceLink = decode_canonical(&bytes)?;
        let secret = Zeroizing::new(std::mem::take(&mut message.secret));
        Some(Self {
            address: message.address.parse().ok()?,
            identity: AccountId::try_from(&*message.identity).ok()?,
            maker: DeviceId::try_from(&*message.device_id).ok()?,
            expires: Timestamp::from_millis(message.expires_ms),
            secret: LinkSecret::restore(secret.as_slice().try_into().ok()?),
        })
    }
}

impl fmt::Debug for DeviceLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address: _, identity, maker, expires, secret: _ } = self;
        f.debug_struct("DeviceLink")
            .field("identity", identity)
            .field("maker", maker)
            .field("expires", expires)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> DeviceLink {
        DeviceLink {
            address: "alice@relay.test:4433".parse().unwrap(),
            identity: AccountId::new([1; 32]),
            maker: DeviceId::new([2; 16]),
            expires: Timestamp::from_millis(1_796_000_000_000),
            secret: LinkSecret::restore(&[3; 16]),
        }
    }

    #[test]
    fn a_link_says_what_it_was_made_of_and_no_other_text_is_one_dev_20() {
        let text = link().to_text();
        let read = DeviceLink::from_text(&format!(" {}\n", *text)).unwrap();
        let sent = link();
        assert_eq!(read.address.to_string(), sent.address.to_string());
        assert_eq!((read.identity, read.maker, read.expires), (sent.identity, sent.maker, sent.expires));
        assert_eq!(read.secret.expose(), sent.secret.expose());
        let (shorter, longer) = (&text[..text.len() - 1], format!("{}A", *text));
        for wrong in ["", "wheesht:device/", "alice@relay.test", shorter, &longer, &"x".repeat(1 << 20)] {
            assert_eq!(DeviceLink::from_text(wrong).err(), Some(InvalidDeviceLink), "{wrong:.80}");
        }
    }

    #[test]
    fn a_proof_is_for_one_proposal_one_maker_and_one_secret_dev_21() {
        let (one, other) = (LinkSecret::restore(&[3; 16]), LinkSecret::restore(&[4; 16]));
        let (maker, proposal) = (DeviceId::new([2; 16]), [5; 32]);
        let proof = one.proof(&maker, &proposal);
        assert!(one.proves(&maker, &proposal, &proof));
        assert!(!other.proves(&maker, &proposal, &proof));
        assert!(!one.proves(&DeviceId::new([3; 16]), &proposal, &proof));
        assert!(!one.proves(&maker, &[6; 32], &proof));
        assert!(!one.proves(&maker, &proposal, &proof[..31]) && !one.proves(&maker, &proposal, b""));
    }

    #[test]
    fn debug_shows_no_secret_and_no_address() {
        let shown = format!("{:?} {:?}", link(), link().secret);
        assert!(!shown.contains("alice") && !shown.contains("3, 3"), "{shown}");
    }
}
