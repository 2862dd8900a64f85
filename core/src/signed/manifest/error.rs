//! Why a manifest is refused, one variant for everything that a person or a relay would be told differently.

use crate::signed::CertificateError;

/// Why a manifest is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not the encoding of a manifest, or a field is not of its form.
    #[error("malformed manifest")]
    Malformed,
    /// Larger than any manifest can be.
    #[error("the manifest is too large")]
    TooLarge,
    /// Of a form that this version doesn't know: the other side is newer.
    #[error("manifest of format {0}, which this version doesn't know")]
    Format(u32),
    /// It speaks for another address than the one asked about.
    #[error("the manifest is for another address")]
    WrongAddress,
    /// It is another account's: the identity key is not the one known.
    #[error("the identity key is not the one known")]
    IdentityChanged,
    /// The identity key did not sign this.
    #[error("the identity key did not sign this manifest")]
    BadSignature,
    /// A certificate in it is refused.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// It lists no device.
    #[error("the manifest lists no device")]
    NoDevice,
    /// It lists more devices than an account may have, or a first version lists several.
    #[error("the manifest lists too many devices")]
    TooManyDevices,
    /// Its devices are not in ascending order, or one stands there twice.
    #[error("the manifest's devices are not in order, or one is listed twice")]
    DeviceOrder,
    /// A first version was needed.
    #[error("version {0} of a manifest where the first one was needed")]
    NotFirst(u64),
    /// Versions between the known one and this one are missing: fetch them.
    #[error("manifest versions {known} and {offered} don't follow each other")]
    Gap {
        /// The newest version known.
        known: u64,
        /// The version offered.
        offered: u64,
    },
    /// Older than what is known. An honest relay never offers it.
    #[error("manifest version {offered} is older than version {known}, which is known")]
    Older {
        /// The newest version known.
        known: u64,
        /// The version offered.
        offered: u64,
    },
    /// Two different manifests of one version: someone shows different people different devices.
    #[error("there are two different manifests of version {0}")]
    Fork(u64),
    /// Right number, but it does not continue the version known.
    #[error("the manifest does not continue the version before it")]
    WrongPrevious,
    /// It adds a device beside existing ones, and none of those has confirmed it.
    #[error("an added device needs the confirmation of an existing one")]
    CountersignatureMissing,
    /// The countersigning device does not stand in the version before.
    #[error("the confirming device does not stand in the version before")]
    CountersignerUnknown,
    /// The countersignature does not hold.
    #[error("the confirmation's signature does not hold")]
    BadCountersignature,
}
