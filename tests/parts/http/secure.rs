//! A listener with TLS: what it agrees to, what it refuses, and clients that keep it waiting.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use rustls::ProtocolVersion;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use shared::http::probes::{get_or_head, probes};
use shared::http::{Hosts, Limits, Listener, ListenerOptions, Unsent, answer, close, serve};
use shared::service::health::Health;
use shared::tls::{ClientTls, ServerTls};
use tests::stores::TempDir;
use tests::until;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use warp::Filter as _;
use waybill::client::Client;
use xtask::servers::Certificates;

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(300);
const LARGE: usize = 64 << 20;

struct Server {
    address: SocketAddr,
    certificates: Certificates,
    _folder: TempDir,
    _stop: DropGuard,
}

impl Server {
    async fn start(limits: Limits) -> Self {
        Self::start_after(limits, |_, _| {}).await
    }

    /// The same; something happens when the certificate was read and nothing listens yet.
    async fn start_after(limits: Limits, happens: impl FnOnce(&Certificates, &Path)) -> Self {
        let folder = TempDir::default();
        let certificates = Certificates::new(&folder.0).unwrap();
        let pair = &certificates.server;
        let tls = ServerTls::read(pair.certificate.clone(), pair.key.clone()).unwrap();
        happens(&certificates, &folder.0);
        let large = warp::path!("large")
            .and(get_or_head())
            .map(|| answer::bytes(http::StatusCode::OK, vec![b'x'; LARGE], "text/plain"));
        let routes = probes(Health::default()).or(large).unify().boxed();
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (socket.local_addr().unwrap(), CancellationToken::new());
        let listener =
            Listener::new(socket, ListenerOptions { tls: Some(tls), ..ListenerOptions::default() });
        let hosts = Hosts::parse("waybill.example").unwrap();
        tokio::spawn(serve(listener, close(routes, "GET, HEAD"), hosts, limits, stop.clone()));
        Self { address, certificates, _folder: folder, _stop: stop.drop_guard() }
    }

    fn client(&self) -> Client {
        let tls = ClientTls::of_ca_file(&self.certificates.ca).unwrap();
        Client::trusting(&format!("https://localhost:{}", self.address.port()), &tls)
    }

    async fn plain(&self, bytes: &[u8]) -> TcpStream {
        let mut connection = TcpStream::connect(self.address).await.unwrap();
        connection.write_all(bytes).await.unwrap();
        connection
    }

    async fn secure(&self, text: &str) -> TlsStream<TcpStream> {
        let tls = ClientTls::of_ca_file(&self.certificates.ca).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = self.plain(b"").await;
        let mut stream = TlsConnector::from(tls.config()).connect(name, stream).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    async fn until_there_is_a_place(&self) {
        until("the place is there for another", || async {
            let answer = self.client().send(Method::GET, "/livez", &[], Bytes::new()).await.ok()?;
            answer.status.is_success().then_some(())
        })
        .await;
    }
}

/// One place, and no time but what the test gives.
fn one_place() -> Limits {
    let unsent = Unsent::of_its_own();
    Limits { connections: 1, spare: 0, header: LONG, answer: LONG, unsent, ..Limits::default() }
}

async fn rest(mut connection: impl tokio::io::AsyncRead + Unpin) -> Vec<u8> {
    let mut all = vec![];
    let read = tokio::time::timeout(LONG / 2, connection.read_to_end(&mut all)).await;
    // A reset is an end, too.
    let _ended = read.expect("the connection is closed").is_ok();
    all
}

fn get(host: &str) -> String {
    format!("GET /livez HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_are_told_to_use_nothing_but_tls_for_a_name_of_the_service() {
    let server = Server::start(Limits::default()).await;
    for (host, is_told) in [
        ("waybill.example", true),
        ("waybill.example:8443", true),
        ("localhost", false),
        ("localhost:8443", false),
    ] {
        let answer = String::from_utf8(rest(server.secure(&get(host)).await).await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(answer.contains("strict-transport-security: max-age="), is_told, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_know_the_ca_is_told_so() {
    let server = Server::start(Limits::default()).await;
    let strange = Client::new(server.client().base());
    let failure = strange.send(Method::GET, "/livez", &[], Bytes::new()).await.err().unwrap();
    assert!(failure.to_string().contains("UnknownIssuer"), "{failure}");
    let answer = server.client().send(Method::GET, "/livez", &[], Bytes::new()).await.unwrap();
    assert_eq!(answer.body, "alive");
}

#[tokio::test(flavor = "multi_thread")]
async fn http_without_tls_is_answered_with_what_was_expected() {
    let server = Server::start(Limits::default()).await;
    for request in [get("localhost"), format!("POST{}", &get("localhost")[3..])] {
        let answer = rest(server.plain(request.as_bytes()).await).await;
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert!(answer.contains("https://") && answer.contains("/problems/malformed"), "{answer}");
        assert!(answer.contains("\r\nx-content-type-options: nosniff\r\n"), "{answer}");
        assert!(!answer.contains("strict-transport"), "RFC 6797, section 7.2: {answer}");
    }
}

/// A `ClientHello` of this version that offers no other (RFC 5246, section 7.4.1.2).
fn hello(minor: u8) -> Vec<u8> {
    let mut body = vec![3, minor];
    body.extend([7; 32]); // Random.
    body.push(0); // No session.
    body.extend([0, 4, 0xC0, 0x2B, 0xC0, 0x09]); // Suites of TLS 1.2 and of TLS 1.0, with ECDSA.
    body.extend([1, 0]); // No compression.
    let algorithms = [0, 13, 0, 4, 0, 2, 4, 3]; // ECDSA with SHA-256.
    let groups = [0, 10, 0, 4, 0, 2, 0, 23]; // P-256.
    body.extend([0, (algorithms.len() + groups.len()) as u8]);
    body.extend(algorithms);
    body.extend(groups);
    let mut message = vec![1, 0, 0, body.len() as u8];
    message.extend(body);
    let mut record = vec![22, 3, 1, 0, message.len() as u8];
    record.extend(message);
    record
}

#[tokio::test(flavor = "multi_thread")]
async fn old_versions_of_tls_are_refused() {
    let server = Server::start(Limits::default()).await;
    for minor in [0, 1, 2] {
        let answer = rest(server.plain(&hello(minor)).await).await;
        // A fatal alert of type protocol_version (RFC 8446, section 6.2), and the end.
        let alert = answer.get(5..7);
        assert_eq!(
            (answer.first(), alert),
            (Some(&21), Some(&[2, 70][..])),
            "3.{minor} {answer:?}"
        );
    }
    // The same with TLS 1.2 is answered: it is the version that was refused.
    let mut begun = server.plain(&hello(3)).await;
    assert_eq!(begun.read_u8().await.unwrap(), 22);
    let stream = server.secure("").await;
    assert_eq!(stream.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_renewed_before_a_service_listens_is_used_soon() {
    let mut renewed = None;
    let server = Server::start_after(Limits::default(), |certificates, folder| {
        let pair = certificates.issue(&folder.join("renewed")).unwrap();
        std::fs::copy(&pair.certificate, &certificates.server.certificate).unwrap();
        std::fs::copy(&pair.key, &certificates.server.key).unwrap();
        let read = std::fs::read(&pair.certificate).unwrap();
        renewed = Some(CertificateDer::from_pem_slice(&read).unwrap());
    })
    .await;
    until("the renewed certificate is shown", || async {
        let stream = server.secure("").await;
        let shown = stream.get_ref().1.peer_certificates().and_then(|all| all.first().cloned());
        (shown == renewed).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_does_not_come_gives_up_its_place() {
    let server = Server::start(Limits { header: SHORT, ..one_place() }).await;
    let half = &hello(3)[..20];
    for begun in [&b""[..], &[22], half] {
        let silent = server.plain(begun).await;
        server.until_there_is_a_place().await;
        rest(silent).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_in_a_handshake_gives_up_its_place_at_once() {
    let server = Server::start(one_place()).await;
    for garbage in
        [&[22, 3, 3, 0xFF, 0xFF, 1, 2, 3][..], &[22; 64], &[0; 64], b"\n\n\n\n", &[128; 9]]
    {
        let connection = server.plain(garbage).await;
        let (reading, mut writing) = connection.into_split();
        let _sent = writing.shutdown().await.is_ok();
        rest(reading).await;
        server.until_there_is_a_place().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_over_tls_that_is_not_read_gives_up_its_place() {
    let server = Server::start(Limits { answer: SHORT, ..one_place() }).await;
    let silent = server.secure("GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    server.until_there_is_a_place().await;
    assert!(rest(silent).await.len() < LARGE, "it was cut");
    // A client that reads gets all of it, on any machine within a minute.
    let server = Server::start(one_place()).await;
    let all = server.client().send(Method::GET, "/large", &[], Bytes::new()).await.unwrap();
    assert_eq!(all.body.len(), LARGE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_stops_while_handshakes_are_under_way() {
    let server = Server::start(Limits { connections: 10, ..one_place() }).await;
    let silent = Arc::new(server.plain(&hello(3)[..20]).await);
    drop(server);
    let silent = Arc::into_inner(silent).unwrap();
    assert!(rest(silent).await.is_empty());
}
