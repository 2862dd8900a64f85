//! The relay's self-made certificate: made once, kept beside the store, readable by the relay alone.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::Path,
};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use wheesht_core::proto::address::RelayAddress;

use super::StartError;

const CHAIN: &str = "certificate.pem";
const KEY: &str = "certificate-key.pem";

/// Certificate and key as PEM.
pub(super) struct Pem {
    pub(super) chain: Vec<u8>,
    pub(super) key: Vec<u8>,
}

/// The one in this directory, made if there is none.
pub(super) fn load_or_make(data: &Path, relay: &RelayAddress) -> Result<Pem, StartError> {
    let read = |file: &str| fs::read(data.join(file));
    match read(KEY) {
        Ok(key) => Ok(Pem { chain: read(CHAIN).map_err(unreadable)?, key }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(data, relay),
        Err(error) => Err(unreadable(error)),
    }
}

fn make(data: &Path, relay: &RelayAddress) -> Result<Pem, StartError> {
    let failed = |error: rcgen::Error| StartError::Tls(format!("can't make a certificate: {error}"));
    let key = KeyPair::generate().map_err(failed)?;
    let host = relay.host().trim_matches(['[', ']']).to_owned();
    let mut params = CertificateParams::new([host]).map_err(failed)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "wheesht relay");
    // Clients know it by the fingerprint of its key, so a date on which it ends would only be one on which it breaks.
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(4096, 1, 1);
    let certificate = params.self_signed(&key).map_err(failed)?;
    let pem = Pem { chain: certificate.pem().into_bytes(), key: key.serialize_pem().into_bytes() };
    // The key goes last: where it stands, the certificate does.
    write_private(&data.join(CHAIN), &pem.chain).map_err(unreadable)?;
    write_private(&data.join(KEY), &pem.key).map_err(unreadable)?;
    Ok(pem)
}

/// Writes under another name first, so that a crash leaves no half of it.
fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    // The name, too, must outlive a power cut: people are given the key's fingerprint.
    match path.parent().filter(|parent| cfg!(unix) && !parent.as_os_str().is_empty()) {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

fn unreadable(error: io::Error) -> StartError {
    StartError::Tls(format!("the self-made certificate can't be read or written: {error}"))
}
