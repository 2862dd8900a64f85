//! How a relay is known: by the fingerprint of its key, or by the web's certificate authorities.
//!
//! | link | relay's address | key exchange | known by |
//! |---|---|---|---|
//! | identified | with fingerprint | X25519MLKEM768 only | SHA-256 of its public key info |
//! | identified | without | X25519MLKEM768 preferred | web roots |
//! | anonymous | either | X25519MLKEM768 preferred | as above |
//!
//! TLS 1.3 always. A relay with a fingerprint ends TLS itself, so nothing excuses it from the hybrid exchange when a
//! password's or device's login is to pass; behind somebody's proxy that can't be insisted on. Sessions are resumed on
//! identified links only: a ticket would tie one anonymous connection to the next, and the two kinds must never meet, so
//! every link has a configuration of its own.
//!
//! To the web's roots an app may add authorities of its own ([`Config::authorities`](super::Config::authorities)); they count for relays
//! without a fingerprint alone.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
    server::ParsedCertificate,
    version::TLS13,
};
use sha2::{Digest as _, Sha256};
use wheesht_proto::address::Fingerprint;

use super::OpenError;
use crate::engine::{LinkId, Role};

/// Whose certificates are believed.
pub(super) type Roots = Arc<RootCertStore>;

/// The web's authorities, and those in these PEM files.
pub(super) fn roots(own: &[PathBuf]) -> Result<Roots, OpenError> {
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    for path in own {
        let failed = |detail: String| OpenError::Authority { path: path.clone(), detail };
        let before = roots.len();
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))? {
            let certificate = certificate.map_err(|error| failed(error.to_string()))?;
            roots.add(certificate).map_err(|error| failed(error.to_string()))?;
        }
        if roots.len() == before {
            return Err(failed("there is no certificate in it".to_owned()));
        }
    }
    Ok(Arc::new(roots))
}

/// The configuration for one link.
pub(super) fn config(link: &LinkId, roots: &Roots) -> Result<ClientConfig, rustls::Error> {
    let pinned = link.relay.fingerprint();
    let hybrid_only = pinned.is_some() && link.role == Role::Identified;
    let provider = provider(hybrid_only);
    let algorithms = provider.signature_verification_algorithms;
    let builder =
        ClientConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(&[&TLS13])?;
    let mut config = match pinned {
        Some(fingerprint) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned { fingerprint, algorithms }))
            .with_no_client_auth(),
        None => builder.with_root_certificates(roots.clone()).with_no_client_auth(),
    };
    if link.role == Role::Anonymous {
        config.resumption = Resumption::disabled();
    }
    Ok(config)
}

/// Whether the handshake failed because the relay is not who it should be.
pub(super) fn is_untrusted(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented)
}

fn provider(hybrid_only: bool) -> CryptoProvider {
    let hybrid = aws_lc_rs::kx_group::X25519MLKEM768;
    let kx_groups = match hybrid_only {
        true => vec![hybrid],
        false => vec![hybrid, aws_lc_rs::kx_group::X25519, aws_lc_rs::kx_group::SECP256R1],
    };
    CryptoProvider { kx_groups, ..aws_lc_rs::default_provider() }
}

/// Knows a relay by its public key alone: who issued its certificate, for which name and until when says nothing more.
#[derive(Debug)]
struct Pinned {
    fingerprint: Fingerprint,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let key = ParsedCertificate::try_from(end_entity)?.subject_public_key_info();
        let digest: [u8; 32] = Sha256::digest(&key).into();
        if Fingerprint::new(digest) == self.fingerprint {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // TLS 1.2 is never offered.
        Err(rustls::Error::InvalidCertificate(CertificateError::BadSignature))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(link: &LinkId) -> Vec<rustls::NamedGroup> {
        config(link, &roots(&[]).unwrap())
            .unwrap()
            .crypto_provider()
            .kx_groups
            .iter()
            .map(|group| group.name())
            .collect()
    }

    #[test]
    fn a_pinned_relay_must_offer_the_hybrid_exchange_for_login() {
        let pin = Fingerprint::new([7; 32]);
        let web: wheesht_proto::address::RelayAddress = "relay.example.org".parse().unwrap();
        let pinned = web.clone().with_fingerprint(pin);
        let hybrid = rustls::NamedGroup::X25519MLKEM768;
        assert_eq!(groups(&LinkId { relay: pinned.clone(), role: Role::Identified }), [hybrid]);
        for link in [
            LinkId { relay: pinned, role: Role::Anonymous },
            LinkId { relay: web.clone(), role: Role::Identified },
            LinkId { relay: web, role: Role::Anonymous },
        ] {
            let groups = groups(&link);
            assert_eq!(groups.first(), Some(&hybrid));
            assert!(groups.len() > 1);
        }
    }
}
