//! Typed keys and the primitives they are for, each primitive from a library.
//!
//! Every secret is a newtype of its own, wiped on drop and never `Copy`; a derivation returns such a type, never bytes, so
//! a key can't stand where another is meant. Every derivation and every signature has its own label (`wheesht/1 …`).
//!
//! | module | what | feature |
//! |---|---|---|
//! | [`secret`] | the shape of every 32-byte secret | – |
//! | [`kdf`] | HKDF and HMAC with SHA-256 | – |
//! | [`sign`] | Ed25519, always over a label | – |
//! | `aead` | ChaCha20-Poly1305, plain and key-committing | `protocol` or `store` |
//! | `dh` | X25519, all-zero outputs refused | `protocol` |
//! | `kem` | ML-KEM-768 behind one trait | `protocol` |
//!
//! No I/O, no clock, no protobuf: bytes and an RNG come in, typed values come out.

#[cfg(any(feature = "protocol", feature = "store"))]
pub mod aead;
#[cfg(feature = "protocol")]
pub mod dh;
pub mod kdf;
#[cfg(feature = "protocol")]
pub mod kem;
pub mod secret;
pub mod sign;
