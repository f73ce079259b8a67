//! Where a service listens, and who gets in.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::rate::Rate;
use crate::tls::ServerTls;

/// What is the same for all listeners of a process. By default anyone gets in, without TLS.
#[derive(Debug, Clone, Default)]
pub struct ListenerOptions {
    /// `WAYBILL_TLS_CERT_FILE` and `WAYBILL_TLS_KEY_FILE`.
    pub tls: Option<ServerTls>,
    /// `WAYBILL_CONNECTIONS_PER_ADDRESS`: at a time; further ones are closed at once.
    pub connections_per_address: Option<usize>,
    /// `WAYBILL_RATE_PER_ADDRESS`: requests, without probes; further ones are answered 429.
    pub rate_per_address: Option<Rate>,
}

impl ListenerOptions {
    /// `https` or `http`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

/// A socket that listens.
#[derive(Debug)]
pub struct Listener {
    pub(super) socket: TcpListener,
    pub(super) options: ListenerOptions,
}

impl Listener {
    /// On a socket that listens already.
    pub fn new(socket: TcpListener, options: ListenerOptions) -> Self {
        Self { socket, options }
    }

    /// Its address.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Its URL: `https://127.0.0.1:8080`.
    pub fn url(&self) -> std::io::Result<String> {
        Ok(format!("{}://{}", self.options.scheme(), self.address()?))
    }
}

impl From<TcpListener> for Listener {
    fn from(socket: TcpListener) -> Self {
        Self::new(socket, ListenerOptions::default())
    }
}
