//! The library speaks rand 0.8's traits, this crate rand_core 0.10's: an adapter.

use opaque_ke::rand::{self, RngCore};
use rand_core::CryptoRng;

/// A generator of ours as the library wants it.
pub(super) struct Adapter<'r, R: CryptoRng + ?Sized>(pub(super) &'r mut R);

impl<R: CryptoRng + ?Sized> RngCore for Adapter<'_, R> {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand::Error> {
        self.0.fill_bytes(bytes);
        Ok(())
    }
}

impl<R: CryptoRng + ?Sized> rand::CryptoRng for Adapter<'_, R> {}
