//! A connection to a private server, with TLS where it wants that.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::Certificates;

pub trait Wire: Read + Write {}

impl<S: Read + Write> Wire for S {}

/// Connects; an answer may take so long.
pub fn connect(
    port: u16,
    patience: Duration,
    tls: Option<&Certificates>,
) -> std::io::Result<Box<dyn Wire>> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(patience))?;
    let Some(certificates) = tls else { return Ok(Box::new(stream)) };
    let config = certificates.client_config().map_err(std::io::Error::other)?;
    let name = ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
    let client = ClientConnection::new(config, name).map_err(std::io::Error::other)?;
    Ok(Box::new(StreamOwned::new(client, stream)))
}
