//! Clients that take connections and give nothing: none of them keeps others out.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use shared::http::probes::{get_or_head, probes};
use shared::http::{Hosts, Limits, Listener, ListenerOptions, Unsent, answer, body, close, serve};
use shared::service::health::Health;
use tests::services::program;
use tests::{let_pass, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use warp::Filter as _;

pub(super) const LONG: Duration = Duration::from_secs(60);
const LARGE: usize = 64 << 20;

/// Limits that end nothing within a test, but for what the test sets; no other test takes of them.
pub(super) fn patient() -> Limits {
    let (connections, spare) = (100, 0);
    Limits {
        connections,
        spare,
        header: LONG,
        spare_header: LONG,
        body: LONG,
        answer: LONG,
        unsent: Unsent::of_its_own(),
        shutdown: Duration::ZERO,
    }
}

pub(super) struct Server {
    pub(super) address: SocketAddr,
    _stop: DropGuard,
}

impl Server {
    /// `POST /length` tells how long the body is, `GET /large` answers a lot.
    pub(super) async fn start(limits: Limits) -> Self {
        Self::start_with(limits, ListenerOptions::default()).await
    }

    pub(super) async fn start_with(limits: Limits, options: ListenerOptions) -> Self {
        let length = warp::path!("length").and(warp::post()).and(body(1 << 20)).then(
            |body: Result<bytes::Bytes, _>| async move {
                answer::into_response(body.map(|body| text(body.len().to_string().into_bytes())))
            },
        );
        let large = warp::path!("large").and(get_or_head()).map(|| text(vec![b'x'; LARGE]));
        let routes = probes(Health::default()).or(length).unify().or(large).unify().boxed();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let hosts = Hosts::parse("waybill.example").unwrap();
        tokio::spawn(serve(
            Listener::new(listener, options),
            close(routes, "GET, HEAD, POST"),
            hosts,
            limits,
            stop.clone(),
        ));
        Self { address, _stop: stop.drop_guard() }
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends a text; the connection stays open.
    pub(super) async fn send(&self, text: &str) -> TcpStream {
        let mut connection = self.connect().await;
        connection.write_all(text.as_bytes()).await.unwrap();
        connection
    }

    /// Everything that comes until the other end closes; nothing more is sent after the request.
    pub(super) async fn ask(&self, method: &str, path: &str, host: &str) -> String {
        let request =
            format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        rest(self.send(&request).await).await
    }
}

fn text(body: Vec<u8>) -> warp::reply::Response {
    answer::bytes(http::StatusCode::OK, body, "text/plain")
}

/// What comes until the other end closes the connection, which it must.
pub(super) async fn rest(mut connection: TcpStream) -> String {
    let mut all = vec![];
    let read = tokio::time::timeout(LONG / 2, connection.read_to_end(&mut all)).await;
    // A reset is an end, too.
    let _ended = read.expect("the connection is closed").is_ok();
    String::from_utf8_lossy(&all).into_owned()
}

pub(super) fn status(answer: &str) -> Option<u16> {
    answer.split(' ').nth(1)?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_gives_up_its_place() {
    let limits = Limits { connections: 2, body: Duration::from_millis(300), ..patient() };
    let server = Server::start(limits).await;
    let head = "POST /length HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n";
    let silent = server.send(&format!("{head}x")).await;
    // A byte now and then does not extend the time.
    let (mut reading, mut writing) = server.send(head).await.into_split();
    let trickle = tokio::spawn(async move {
        for _ in 0..9 {
            let_pass(Duration::from_millis(100)).await;
            if writing.write_all(b"x").await.is_err() {
                return;
            }
        }
        std::future::pending::<()>().await;
    });
    let mut slow = vec![];
    let _ended = tokio::time::timeout(LONG / 2, reading.read_to_end(&mut slow)).await.unwrap();
    trickle.abort();
    for answer in [rest(silent).await, String::from_utf8(slow).unwrap()] {
        assert_eq!(status(&answer), Some(408), "{answer}");
        assert!(answer.contains("/problems/timeout"), "{answer}");
        assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
    }
    let whole = server.send(&format!("{head}0123456789")).await;
    until("the place is there for another", || async {
        let mut first = [0; 15];
        let read = whole.peek(&mut first).await.unwrap();
        (read == 15).then(|| assert_eq!(&first, b"HTTP/1.1 200 OK"))
    })
    .await;
}

/// One place, which is taken by a client that asked for a large answer.
async fn taken_by_an_answer() -> (Server, TcpStream) {
    let limits = Limits { connections: 1, answer: Duration::from_millis(300), ..patient() };
    let server = Server::start(limits).await;
    let client = server.send("GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    (server, client)
}

pub(super) async fn until_there_is_a_place(server: &Server) {
    until("the place is there for another", || async {
        let answer = server.connect_and_ask_livez().await;
        (status(&answer) == Some(200)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_read_gives_up_its_place() {
    let (server, silent) = taken_by_an_answer().await;
    until_there_is_a_place(&server).await;
    assert!(rest(silent).await.len() < LARGE, "it was cut");
    // A client that reads gets all of it, on any machine within a minute.
    let server = Server::start(patient()).await;
    assert!(server.ask("GET", "/large", "localhost").await.len() > LARGE);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_read_drop_by_drop_gives_up_its_place() {
    let (server, mut slow) = taken_by_an_answer().await;
    let trickle = tokio::spawn(async move {
        let mut some = vec![0; 100_000];
        while slow.read(&mut some).await.is_ok_and(|read| read > 0) {
            let_pass(Duration::from_millis(20)).await;
        }
    });
    until_there_is_a_place(&server).await;
    trickle.abort();
}

impl Server {
    /// Empty where no place is left.
    async fn connect_and_ask_livez(&self) -> String {
        let mut connection = self.connect().await;
        let request = b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        // It may be closed by now.
        let _sent = connection.write_all(request).await.is_ok();
        rest(connection).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_are_answered_when_all_places_are_taken() {
    let limits =
        Limits { connections: 2, spare: 1, spare_header: Duration::from_millis(300), ..patient() };
    let server = Server::start(limits).await;
    let half = "GET /livez HTTP/1.1\r\nhost:";
    let taken = [server.send(half).await, server.send(half).await];
    // A client sees the end of its connection a moment before the place is free.
    let ask = async |path: &str| {
        until("the spare place is free", || async {
            let mut connection = server.connect().await;
            let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
            let _sent = connection.write_all(request.as_bytes()).await.is_ok();
            Some(rest(connection).await).filter(|answer| !answer.is_empty())
        })
        .await
    };
    for path in ["/livez", "/readyz", "/metrics"] {
        let answer = ask(path).await;
        assert_eq!(status(&answer), Some(200), "{path}: {answer}");
        assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
    }
    let answer = ask("/large").await;
    assert_eq!(status(&answer), Some(503), "{answer}");
    let lower = answer.to_ascii_lowercase();
    assert!(lower.contains("connection: close") && lower.contains("retry-after: 1"), "{answer}");
    assert!(answer.contains("/problems/unavailable") && answer.contains("2 connections"));
    // The spare place is held for a moment; a client that comes meanwhile is cut off at once.
    let spare = until("the spare place is held", || async {
        let spare = server.send(half).await;
        server.connect_and_ask_livez().await.is_empty().then_some(spare)
    })
    .await;
    assert_eq!(rest(spare).await, "");
    until("the spare place is there again", || async {
        (status(&server.connect_and_ask_livez().await) == Some(200)).then_some(())
    })
    .await;
    drop(taken);
    until("the places are there again", || async {
        (status(&server.ask("GET", "/large", "localhost").await) == Some(200)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_answers_to_its_own_names_alone() {
    let server = Server::start(patient()).await;
    let address = server.address.to_string();
    for host in ["localhost", &address, "[::1]:8080", "waybill.example", "WAYBILL.example:80"] {
        let answer = server.ask("GET", "/nothing", host).await;
        assert_eq!(status(&answer), Some(404), "{host}: {answer}");
    }
    for host in [
        "evil.example",
        &format!("evil.example:{}", server.address.port()),
        "localhost.evil.example",
    ] {
        for (method, path) in [("GET", "/nothing"), ("POST", "/length"), ("GET", "/")] {
            let answer = server.ask(method, path, host).await;
            assert_eq!(status(&answer), Some(421), "{host}: {answer}");
            assert!(answer.contains("/problems/misdirected"), "{answer}");
        }
        let answer = server.ask("GET", "/livez", host).await;
        assert_eq!(status(&answer), Some(200), "probes may be asked by any name: {answer}");
    }
}

/// As the README says: these answers are the HTTP library's.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_is_answered_without_a_problem() {
    let server = Server::start(patient()).await;
    let long = "x".repeat(70_000);
    for (request, expected) in [
        ("nonsense\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nno header\r\n\r\n".to_owned(), 400),
        (format!("GET /{long} HTTP/1.1\r\nhost: localhost\r\n\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "a: b\r\n".repeat(101)), 431),
    ] {
        let answer = rest(server.send(&request).await).await;
        assert_eq!(status(&answer), Some(expected), "{answer}");
        assert!(answer.ends_with("\r\n\r\n"), "without a body: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_raises_its_limit_of_open_files() {
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -S -n 300 && exec \"$0\""]).arg(program("query-api"));
    shell
        .env("WAYBILL_REDIS_URL", "redis://127.0.0.1:1/")
        .env("WAYBILL_QUERY_LISTEN", "127.0.0.1:0");
    let mut service = shell.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (limits, exe) =
        (format!("/proc/{}/limits", service.id()), format!("/proc/{}/exe", service.id()));
    let raised = until("the limit is raised", || async {
        let of_the_service = std::fs::read_link(&exe).ok()?.ends_with("query-api");
        let limits = std::fs::read_to_string(&limits).ok().filter(|_| of_the_service)?;
        let line = limits.lines().find(|line| line.starts_with("Max open files"))?.to_owned();
        let numbers: Vec<&str> = line.split_whitespace().skip(3).take(2).collect();
        (numbers[0] == numbers[1]).then_some(numbers[0] != "300")
    })
    .await;
    service.kill().unwrap();
    service.wait().unwrap();
    assert!(raised);
}
