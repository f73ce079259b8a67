//! Certificates and keys in files, as text between `-----BEGIN …-----` and `-----END …-----` (RFC 7468).

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret as _, SecretSlice};

/// The longest file that is read, in bytes: the list of all public CAs has a quarter of it.
const MAX_FILE: u64 = 1 << 20;

/// The content of a file, which may have up to 1 MiB. The error names no content.
pub fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let broken = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut content = vec![];
    File::open(path)
        .map_err(broken)?
        .take(MAX_FILE + 1)
        .read_to_end(&mut content)
        .map_err(broken)?;
    if content.len() as u64 > MAX_FILE {
        return Err(format!("{}: it has more than 1 MiB", path.display()));
    }
    Ok(content)
}

/// A certificate, the intermediate ones behind it, and its key. `Debug` prints neither.
#[derive(Clone)]
pub struct Identity {
    certificates: Vec<u8>,
    key: SecretSlice<u8>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(..)")
    }
}

impl Identity {
    /// From the contents of two files. Whether they belong together is found out where they are used.
    pub fn new(certificates: Vec<u8>, key: Vec<u8>) -> Self {
        Self { certificates, key: key.into() }
    }

    /// The certificates as they were read.
    pub fn certificates_pem(&self) -> &[u8] {
        &self.certificates
    }

    /// The key as it was read.
    pub fn key_pem(&self) -> &[u8] {
        self.key.expose_secret()
    }

    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        certificates(&self.certificates)
    }

    /// No error says anything of the key's text.
    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, String> {
        PrivateKeyDer::from_pem_slice(self.key_pem()).map_err(|_| {
            "expected an unencrypted private key as PEM (BEGIN PRIVATE KEY, RSA PRIVATE KEY or EC \
             PRIVATE KEY)"
                .to_owned()
        })
    }
}

fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match read {
        Ok(read) if !read.is_empty() => Ok(read),
        _ => Err("expected certificates as PEM (BEGIN CERTIFICATE)".to_owned()),
    }
}

/// Those of a file with CAs; all of them have to be valid.
pub(super) fn roots(text: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(text)? {
        roots.add(certificate).map_err(|error| format!("a certificate in it: {error}"))?;
    }
    Ok(roots)
}
