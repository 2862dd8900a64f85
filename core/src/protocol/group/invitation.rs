//! Invitations that anyone may hold: a link, or a code to scan.
//!
//! A link carries the secret of an invitation that the group's state authorises by its public key, with expiry and uses; where
//! to ask to be let in, with the fingerprints of the relay and of the identity that answers; and a title, which is what the
//! inviter says. It carries no key of the group or of its members: who finds an old link learns nothing but that.

use std::fmt;

use prost::Message as _;
use rand_core::CryptoRng;
use wheesht_proto::{
    address::Address,
    base64url, group,
    ids::{AccountId, GroupId},
};
use zeroize::Zeroizing;

use crate::{
    crypto::sign::{Label, Signature, SigningKey, VerifyingKey},
    signed::decode_canonical,
    time::Timestamp,
};

/// What every link begins with.
const SCHEME: &str = "wheesht:group/";

/// Longest link in characters: an address of at most 300 bytes, a title of 256, and what is fixed.
const MAX_LINK: usize = 1_024;

/// Longest title in a link in bytes.
const MAX_TITLE: usize = 256;

/// The text is no invitation to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an invitation is written wheesht:group/…; copy it whole")]
pub struct InvalidLink;

/// The secret that an invitation's holders have in common. Wiped on drop.
pub struct InviteSecret(SigningKey);

impl InviteSecret {
    /// A new one.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self(SigningKey::generate(rng))
    }

    /// From its 32 bytes.
    pub fn from_bytes(secret: &[u8; 32]) -> Self {
        Self(SigningKey::from_secret_bytes(secret))
    }

    /// The 32 bytes, for the link.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        self.0.to_secret_bytes()
    }

    /// The public key, by which the state authorises it.
    pub fn key(&self) -> VerifyingKey {
        self.0.verifying_key()
    }

    pub(super) fn sign(&self, label: &Label, parts: &[&[u8]]) -> Signature {
        self.0.sign(label, parts)
    }
}

impl fmt::Debug for InviteSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.debug_struct("InviteSecret").finish_non_exhaustive()
    }
}

/// What a link says.
pub struct Invitation {
    /// The group.
    pub group: GroupId,
    /// The invitation's secret.
    pub secret: InviteSecret,
    /// Who answers, with the way to their relay.
    pub address: Address,
    /// Their identity.
    pub identity: AccountId,
    /// Until when it can be used; `None`: as long as the group's state has it.
    pub expires: Option<Timestamp>,
    /// What the inviter calls the group.
    pub title: String,
}

impl Invitation {
    /// The link.
    pub fn to_link(&self) -> Zeroizing<String> {
        let message = group::Invitation {
            group_id: self.group.to_vec(),
            invite_secret: self.secret.to_bytes().to_vec(),
            address: self.address.to_string(),
            identity: self.identity.to_vec(),
            expires_ms: self.expires.map_or(0, Timestamp::as_millis),
            title: shortened(&self.title).to_owned(),
        };
        Zeroizing::new(format!("{SCHEME}{}", base64url::encode(&message.encode_to_vec())))
    }

    /// What a link says.
    ///
    /// # Errors
    /// [`InvalidLink`].
    pub fn from_link(link: &str) -> Result<Self, InvalidLink> {
        Self::read(link).ok_or(InvalidLink)
    }

    fn read(link: &str) -> Option<Self> {
        // GRO-4
        let encoded = link.trim().strip_prefix(SCHEME).filter(|_| link.len() <= MAX_LINK)?;
        let bytes = Zeroizing::new(base64url::decode(encoded)?);
        let mut message: group::Invitation = decode_canonical(&bytes)?;
        let secret = Zeroizing::new(std::mem::take(&mut message.invite_secret));
        let title = message.title;
        if title.len() > MAX_TITLE || title.chars().any(char::is_control) {
            return None;
        }
        Some(Self {
            group: GroupId::try_from(&*message.group_id).ok()?,
            secret: InviteSecret::from_bytes(secret.as_slice().try_into().ok()?),
            address: message.address.parse().ok()?,
            identity: AccountId::try_from(&*message.identity).ok()?,
            expires: (message.expires_ms != 0).then(|| Timestamp::from_millis(message.expires_ms)),
            title,
        })
    }
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, secret: _, address: _, identity, expires, title: _ } = self;
        f.debug_struct("Invitation")
            .field("group", group)
            .field("identity", identity)
            .field("expires", expires)
            .finish_non_exhaustive()
    }
}

fn shortened(title: &str) -> &str {
    let mut end = title.len().min(MAX_TITLE);
    while !title.is_char_boundary(end) {
        end -= 1;
    }
    title.get(..end).unwrap_or_default()
}
