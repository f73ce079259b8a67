//! The client's side.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

use super::pem::{self, Identity};
use super::read_file;

/// What a client trusts and shows. The server's certificate is always checked, with its name.
#[derive(Clone)]
pub struct ClientTls {
    ca: Option<Vec<u8>>,
    identity: Option<Identity>,
    config: Arc<ClientConfig>,
}

impl Default for ClientTls {
    /// Trusts Mozilla's list, and shows nothing.
    fn default() -> Self {
        let builder = ClientConfig::builder().with_root_certificates(public_roots());
        Self { ca: None, identity: None, config: Arc::new(builder.with_no_client_auth()) }
    }
}

fn public_roots() -> RootCertStore {
    RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (own_ca, identity) = (self.ca.is_some(), self.identity.is_some());
        f.debug_struct("ClientTls").field("own_ca", &own_ca).field("identity", &identity).finish()
    }
}

impl ClientTls {
    /// Trusts the CAs of `ca` alone, in PEM; without them those of Mozilla's list, as it was when this
    /// program was built. Shows `identity` to a server that asks for it.
    pub fn new(ca: Option<Vec<u8>>, identity: Option<Identity>) -> Result<Self, String> {
        let roots = match &ca {
            Some(ca) => pem::roots(ca)?,
            None => public_roots(),
        };
        // There is one provider of cryptography: see deny.toml.
        let builder = ClientConfig::builder().with_root_certificates(roots);
        let config = match &identity {
            Some(identity) => builder
                .with_client_auth_cert(identity.certificates()?, identity.key()?)
                .map_err(|error| format!("the certificate and its key: {error}"))?,
            None => builder.with_no_client_auth(),
        };
        Ok(Self { ca, identity, config: Arc::new(config) })
    }

    /// Trusts the CAs in a file, and shows nothing.
    pub fn of_ca_file(file: &Path) -> Result<Self, String> {
        Self::new(Some(read_file(file)?), None).map_err(|why| format!("{}: {why}", file.display()))
    }

    /// For rustls.
    pub fn config(&self) -> Arc<ClientConfig> {
        self.config.clone()
    }

    /// The CAs that are trusted alone, in PEM; `None` for Mozilla's list.
    pub fn ca(&self) -> Option<&[u8]> {
        self.ca.as_deref()
    }

    /// What is shown.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }
}
