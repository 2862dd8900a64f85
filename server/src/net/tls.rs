//! TLS 1.3 only, with the hybrid key exchange first, and resumption: a full handshake costs ten times what a resumed one does,
//! which is what counts when everyone comes back at once.

use std::{fs, path::Path, sync::Arc};

use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs, aws_lc_rs::kx_group},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::{CertifiedKey, SingleCertAndKey},
};
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;
use wheesht_core::proto::address::{Fingerprint, RelayAddress};

use super::{StartError, certificate};
use crate::config::{Certificate, Config};

pub(super) struct Tls {
    pub(super) acceptor: TlsAcceptor,
    pub(super) fingerprint: Fingerprint,
}

/// TLS as configured; none behind a proxy.
pub(super) fn load(config: &Config, relay: &RelayAddress) -> Result<Option<Tls>, StartError> {
    let pem = match &config.certificate {
        Certificate::Plain => return Ok(None),
        Certificate::SelfMade => certificate::load_or_make(&config.data, relay)?,
        Certificate::Files { chain, key } => certificate::Pem { chain: read(chain)?, key: read(key)? },
    };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem.chain).collect();
    let chain = chain.map_err(|error| StartError::Tls(format!("the certificate: {error}")))?;
    let key = PrivateKeyDer::from_pem_slice(&pem.key)
        .map_err(|error| StartError::Tls(format!("the certificate's key: {error}")))?;
    build(chain, key).map(Some).map_err(|error| StartError::Tls(error.to_string()))
}

fn build(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Tls, rustls::Error> {
    let provider = Arc::new(provider());
    let certified = CertifiedKey::from_der(chain, key, &provider)?;
    let public_key =
        certified.key.public_key().ok_or(rustls::Error::General("the key has no public half".into()))?;
    let fingerprint = Fingerprint::new(Sha256::digest(&public_key).into());
    let mut config = ServerConfig::builder_with_provider(provider)
        // REL-2
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Tls { acceptor: TlsAcceptor::from(Arc::new(config)), fingerprint })
}

/// X25519MLKEM768 before the classical ones, which browsers may still need.
fn provider() -> CryptoProvider {
    let kx_groups = vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1];
    CryptoProvider { kx_groups, ..aws_lc_rs::default_provider() }
}

fn read(path: &Path) -> Result<Vec<u8>, StartError> {
    fs::read(path).map_err(|error| StartError::Tls(format!("{}: {error}", path.display())))
}
