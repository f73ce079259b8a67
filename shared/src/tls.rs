//! TLS: which certificates are trusted, and which are shown. All of it is done by rustls, versions 1.2
//! and 1.3, with the cryptography of `ring`.

pub mod client;
mod pem;
pub mod server;

pub use self::client::ClientTls;
pub use self::pem::{Identity, read_file};
pub use self::server::ServerTls;
