//! TLS: which certificates are trusted, and which are shown. All of it is done by rustls, versions 1.2
//! and 1.3, with the cryptography of `ring`.

pub mod client;
mod pem;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub use self::client::ClientTls;
pub use self::pem::{Identity, read_file};

/// The only provider of cryptography in this process.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
