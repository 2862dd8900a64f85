//! The shape of every 32-byte secret: one type per purpose, built in place, wiped on drop, silent in `Debug`.
//!
//! ```
//! wheesht_core::crypto::secret::secret! {
//!     /// Wraps files.
//!     pub struct WrappingKey;
//! }
//! ```

use rand_core::CryptoRng;

/// A secret of 32 bytes. Implemented by the types that [`secret!`](crate::crypto::secret::secret) makes.
pub trait Secret: Sized {
    /// Builds the secret in place, so that no second copy of it stands on the stack.
    fn build(fill: impl FnOnce(&mut [u8; 32])) -> Self;

    /// The bytes: for the primitive they are a key of, or for storing them sealed.
    fn expose(&self) -> &[u8; 32];

    /// A fresh random secret.
    fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self::build(|bytes| rng.fill_bytes(bytes))
    }

    /// A secret read back from where it was stored.
    fn restore(stored: &[u8; 32]) -> Self {
        Self::build(|bytes| bytes.copy_from_slice(stored))
    }
}

/// Declares a newtype for a 32-byte secret: wiped on drop, not `Copy`, not comparable, and `Debug` shows none of it.
#[macro_export]
#[doc(hidden)]
macro_rules! __secret {
    ($(#[$doc:meta])* $vis:vis struct $name:ident;) => {
        $(#[$doc])*
        #[derive(Clone)]
        $vis struct $name([u8; 32]);

        impl $crate::crypto::secret::Secret for $name {
            #[inline]
            fn build(fill: impl FnOnce(&mut [u8; 32])) -> Self {
                let mut secret = Self([0; 32]);
                fill(&mut secret.0);
                secret
            }

            #[inline]
            fn expose(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                $crate::crypto::secret::__zeroize(&mut self.0);
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let Self(_) = self;
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

pub use __secret as secret;

#[doc(hidden)]
pub fn __zeroize(bytes: &mut [u8; 32]) {
    zeroize::Zeroize::zeroize(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    secret! {
        /// A secret of the test.
        struct TestKey;
    }

    #[test]
    fn debug_shows_no_byte_of_a_secret() {
        assert_eq!(format!("{:?}", TestKey::restore(&[0xa5; 32])), "TestKey { .. }");
        assert_eq!(TestKey::restore(&[0xa5; 32]).expose(), &[0xa5; 32]);
    }
}
