//! Which CAs are trusted when the services speak TLS.

use std::path::PathBuf;
use std::sync::OnceLock;

use clap::Args;
use shared::tls::ClientTls;

use crate::client::Client;

/// The variable in place of `--ca-file`.
const CA_FILE: &str = "WAYBILL_CA_FILE";
/// With it the services of this machine speak TLS.
const CERT_FILE: &str = "WAYBILL_TLS_CERT_FILE";

/// What was chosen for this process, which carries out one command.
static CHOSEN: OnceLock<ClientTls> = OnceLock::new();

/// `--ca-file`.
#[derive(Debug, Args)]
pub struct Trust {
    /// The CAs that sign the services' certificates, in PEM [default: WAYBILL_CA_FILE, or those of
    /// Mozilla's list]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Services")]
    ca_file: Option<PathBuf>,
}

impl Trust {
    /// From here on clients trust these CAs. The error says what is wrong with the file.
    pub fn take_effect(self) -> Result<(), String> {
        let (name, file) = match (self.ca_file, std::env::var_os(CA_FILE)) {
            (Some(file), _) => ("--ca-file", file),
            (None, Some(file)) => (CA_FILE, file.into()),
            (None, None) => return Ok(()),
        };
        let tls = ClientTls::of_ca_file(&file).map_err(|why| format!("{name}: {why}"))?;
        CHOSEN.set(tls).map_err(|_| format!("{name}: given twice"))
    }
}

/// Whether services whose scheme was not given are asked by `https`.
pub fn expects_tls() -> bool {
    CHOSEN.get().is_some() || std::env::var_os(CERT_FILE).is_some()
}

/// A client of the service at this URL.
pub fn client(base: &str) -> Client {
    CHOSEN.get().map_or_else(|| Client::new(base), |tls| Client::trusting(base, tls))
}
