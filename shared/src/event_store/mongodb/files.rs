//! What TLS needs, as the driver takes it: by the names of files.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;

use kernel::{Failure, Result};
use mongodb::options::{ClientOptions, Tls, TlsOptions};
use rustix::fs::{MemfdFlags, memfd_create};

use crate::tls::ClientTls;

const WHAT: &str = "preparing TLS";

/// Files in memory, which end with this: a key is written to no disk, and what was checked is what the
/// driver reads.
pub(super) struct Files {
    ca: Option<File>,
    /// The certificate, and its key behind it.
    identity: Option<File>,
}

impl Files {
    pub(super) fn of(tls: &ClientTls) -> Result<Self> {
        let ca = tls.ca().map(|ca| in_memory(&[ca])).transpose()?;
        let identity = tls
            .identity()
            .map(|identity| in_memory(&[identity.certificates_pem(), b"\n", identity.key_pem()]));
        Ok(Self { ca, identity: identity.transpose()? })
    }

    /// Puts their names into the options.
    pub(super) fn name_in(&self, options: &mut ClientOptions) -> Result<()> {
        let mut tls = match options.tls.take() {
            Some(Tls::Enabled(tls)) => tls,
            _ => TlsOptions::default(),
        };
        if tls.allow_invalid_certificates == Some(true) {
            return Err(Failure::permanent(
                "WAYBILL_MONGODB_URL",
                "certificates are always checked: leave out tlsInsecure and \
                 tlsAllowInvalidCertificates, and name the CA in WAYBILL_MONGODB_CA_FILE",
            ));
        }
        let named = |file: &Option<File>| file.as_ref().map(name);
        tls.ca_file_path = named(&self.ca).or(tls.ca_file_path);
        tls.cert_key_file_path = named(&self.identity).or(tls.cert_key_file_path);
        options.tls = Some(tls.into());
        Ok(())
    }
}

fn name(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

fn in_memory(parts: &[&[u8]]) -> Result<File> {
    let broken = |error: std::io::Error| Failure::transient(WHAT, error);
    let made = memfd_create("waybill-tls", MemfdFlags::CLOEXEC);
    let mut file = File::from(made.map_err(|error| broken(error.into()))?);
    parts.iter().try_for_each(|part| file.write_all(part)).map_err(broken)?;
    Ok(file)
}
