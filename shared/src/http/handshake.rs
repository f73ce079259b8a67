//! The first bytes of a connection to a listener with TLS.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::timed::Timed;

/// The type of the first record of TLS (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;

/// For browsers that called the service by a name: they use nothing but TLS for a year, RFC 6797.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// What a client began.
pub enum Begun {
    /// TLS, and it is agreed.
    Secure(Box<TlsStream<Timed<TcpStream>>>),
    /// It sent something else, such as HTTP without TLS.
    Plain(TcpStream),
    /// It went away, took too long, or offered nothing that is taken, such as TLS 1.1 alone.
    Nothing,
}

/// Waits for the client's first byte, and does the handshake of TLS; all of it within `patience`. An
/// answer has to be taken within `answer`.
pub async fn begin(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    patience: Duration,
    answer: Duration,
) -> Begun {
    let begin = async {
        let mut first = [0];
        match stream.peek(&mut first).await {
            Ok(1) if first[0] == HANDSHAKE => {
                let accepted = acceptor.accept(Timed::new(stream, answer)).await;
                accepted.map(|stream| Begun::Secure(Box::new(stream)))
            }
            Ok(1) => Ok(Begun::Plain(stream)),
            Ok(_) => Ok(Begun::Nothing),
            Err(error) => Err(error),
        }
    };
    match tokio::time::timeout(patience, begin).await {
        Ok(Ok(begun)) => begun,
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake failed");
            Begun::Nothing
        }
        Err(_) => {
            tracing::debug!("a TLS handshake took too long");
            Begun::Nothing
        }
    }
}

/// Says to browsers that the service has TLS. `localhost` is left out: what is said of it would hold for
/// every port of the machine. Addresses have no such rule (RFC 6797, section 8.1.1).
pub fn strict_transport(host: Option<&HeaderValue>, answer: &mut HeaderMap) {
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if !name.is_empty() && !name.eq_ignore_ascii_case("localhost") {
        answer.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
}
