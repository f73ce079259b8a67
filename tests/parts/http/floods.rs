//! Clients that send too much, too often, too slowly, or what takes long to read. Each is refused before
//! anything is done for it, and keeps no others out.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures::future::join_all;
use http::Method;
use shared::http::rate::Rate;
use shared::http::{Limits, ListenerOptions};
use tests::embedded::Embedded;
use tests::fuzz::Target;
use tests::let_pass;
use tests::orders;
use tests::stores::TempDir;
use tests::until;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use super::connections::{LONG, Server, patient, rest, status, until_there_is_a_place};

const SHORT: Duration = Duration::from_millis(300);

/// A connection from one of the addresses of this machine.
pub(super) async fn connect_from(server: &Server, last: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    let from = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), 0);
    socket.bind(from).unwrap();
    socket.connect(server.address).await.unwrap()
}

pub(super) async fn ask_from(server: &Server, last: u8, path: &str) -> String {
    let mut connection = connect_from(server, last).await;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    // It may be closed by now.
    let _sent = connection.write_all(request.as_bytes()).await.is_ok();
    rest(connection).await
}

pub(super) fn retry_after(answer: &str) -> Option<u64> {
    let lower = answer.to_ascii_lowercase();
    lower.lines().find_map(|line| line.strip_prefix("retry-after: ")?.trim().parse().ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_comes_drop_by_drop_gives_up_its_place() {
    let server = Server::start(Limits { connections: 1, header: SHORT, ..patient() }).await;
    let mut slow = server.send("GET /livez HTTP/1.1\r\n").await;
    let trickle = tokio::spawn(async move {
        loop {
            let_pass(Duration::from_millis(20)).await;
            if slow.write_all(b"a: b\r\n").await.is_err() {
                return;
            }
        }
    });
    until_there_is_a_place(&server).await;
    trickle.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_without_end_whose_answers_are_not_read_give_up_their_place() {
    let server = Server::start(Limits { connections: 1, answer: SHORT, ..patient() }).await;
    let mut flood = server.connect().await;
    let flooding = tokio::spawn(async move {
        let requests = "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(1_000);
        while flood.write_all(requests.as_bytes()).await.is_ok() {}
    });
    until_there_is_a_place(&server).await;
    flooding.await.unwrap();
}

fn is_open(connection: &TcpStream) -> bool {
    let read = connection.try_read(&mut [0]);
    read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_connections_leaves_room_for_probes() {
    let limits = Limits { connections: 50, spare: 5, spare_header: SHORT, ..patient() };
    let server = Server::start(limits).await;
    let mut flood = vec![];
    for _ in 0..100 {
        // Fewer than the kernel keeps for a listener: of others the server would learn nothing.
        flood.extend(join_all((0..100).map(|_| server.connect())).await);
        until("those that have no place are closed", || async {
            (flood.iter().filter(|one| is_open(one)).count() <= 55).then_some(())
        })
        .await;
        flood.retain(is_open);
    }
    until("a probe is answered all the same", || async {
        let answer = server.ask("GET", "/livez", "localhost").await;
        (status(&answer) == Some(200)).then_some(())
    })
    .await;
    drop(flood);
    until("its places are free again", || async {
        let answer = server.ask("GET", "/nothing", "localhost").await;
        (status(&answer) == Some(404)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_has_so_many_connections_at_a_time() {
    let options =
        ListenerOptions { connections_per_address: Some(3), ..ListenerOptions::default() };
    let server = Server::start_with(patient(), options).await;
    let held = join_all((0..3).map(|_| connect_from(&server, 2))).await;
    assert_eq!(ask_from(&server, 2, "/livez").await, "", "the fourth is closed at once");
    assert_eq!(status(&ask_from(&server, 3, "/livez").await), Some(200), "others have their own");
    drop(held);
    until("its places are free again", || async {
        (status(&ask_from(&server, 2, "/livez").await) == Some(200)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_may_ask_so_often() {
    let rate = Rate::parse("5/m").unwrap();
    let options = ListenerOptions { rate_per_address: Some(rate), ..ListenerOptions::default() };
    let server = Server::start_with(patient(), options).await;
    for _ in 0..5 {
        assert_eq!(status(&ask_from(&server, 2, "/nothing").await), Some(404));
    }
    let answer = ask_from(&server, 2, "/nothing").await;
    assert_eq!(status(&answer), Some(429), "{answer}");
    assert!(answer.contains("/problems/too-many-requests"), "{answer}");
    assert!(answer.contains("5 requests per minute"), "{answer}");
    assert!(retry_after(&answer).is_some_and(|wait| (1..=13).contains(&wait)), "{answer}");
    assert_eq!(status(&ask_from(&server, 2, "/livez").await), Some(200), "probes do not count");
    assert_eq!(status(&ask_from(&server, 3, "/nothing").await), Some(404), "others have their own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_has_so_many_bytes() {
    let server = Server::start(patient()).await;
    let long = "x".repeat(70_000);
    for header in [
        format!("GET /{long} HTTP/1.1\r\nhost: localhost\r\n\r\n"),
        format!("GET /?{long} HTTP/1.1\r\nhost: localhost\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: localhost\r\na: {long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "a: b\r\n".repeat(101)),
        long.clone(),
    ] {
        let answer = rest(server.send(&header).await).await;
        assert!(matches!(status(&answer), Some(400 | 431)), "{} {answer}", &header[..20]);
    }
    let fits = format!(
        "GET /livez HTTP/1.1\r\nhost: localhost\r\na: {}\r\nconnection: close\r\n\r\n",
        &long[..30_000]
    );
    assert_eq!(status(&rest(server.send(&fits).await).await), Some(200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_body_is_not_unpacked() {
    let server = Server::start(patient()).await;
    for (encoding, expected) in [("gzip", 415), ("br", 415), ("gzip, gzip", 415), ("identity", 200)]
    {
        let request = format!(
            "POST /length HTTP/1.1\r\nhost: localhost\r\ncontent-encoding: {encoding}\r\n\
             content-length: 2\r\nconnection: close\r\n\r\n{{}}"
        );
        let answer = rest(server.send(&request).await).await;
        assert_eq!(status(&answer), Some(expected), "{encoding}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_long_to_read_is_refused_soon() {
    let folder = TempDir::default();
    let system = Embedded::start(&folder).await;
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(30_000), close.repeat(30_000));
    let mut bodies = vec![deep("[", "]"), deep("[", ""), deep(r#"{"a":"#, ""), "[".repeat(1 << 20)];
    bodies.push(format!(r#"{{"items": {}}}"#, deep("[", "]")));
    bodies.push(format!("[{}]", vec!["{}"; 100_000].join(",")));
    bodies.push(format!(r#"{{"a": 1{}}}"#, "0".repeat(60_000)));
    bodies.push(format!(r#"{{"a": "{}"}}"#, r"\u0000".repeat(10_000)));
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for (depth, status) in [(127, 422), (128, 400)] {
        let sent = system.commands.post("/orders", &[], nested(depth)).await.unwrap();
        assert_eq!(sent.status, status, "{depth} levels");
    }
    let started = Instant::now();
    for body in &bodies {
        for path in ["/orders", "/commands"] {
            for media in ["application/json", "application/x-ndjson"] {
                let headers = [("content-type", media)];
                let sent = system.commands.send(Method::POST, path, &headers, body.clone()).await;
                let answer = sent.unwrap();
                // Each command of a batch has an answer of its own.
                let told = String::from_utf8_lossy(&answer.body);
                let own = path == "/commands" && told.contains(r#""status":4"#);
                let refused = answer.status.is_client_error() || own;
                assert!(refused, "{path} {media} {} {}", &body[..20], answer.status);
            }
        }
    }
    assert!(started.elapsed() < LONG / 2, "{:?}", started.elapsed());
    for query in ["limit=1000000", "limit=0", "limit=-1", "limit=99999999999999999999"] {
        let answer = system.queries.send(Method::GET, &format!("/orders?{query}"), &[], "").await;
        assert_eq!(answer.unwrap().status, 400, "{query}");
    }
    system.stop().await;
}

/// As programs. One request of less than 1 MiB may have 100,000 fields that are wrong.
#[test]
fn batches_with_many_wrong_fields_take_little_memory() {
    let target = Target::start();
    let fields = (0x100..).filter_map(char::from_u32).map(|name| format!(r#""{name}":1"#));
    let fields = fields.take(100).collect::<Vec<_>>().join(",");
    let wrong = format!(r#"{{"type":"CancelOrder",{fields}}},"#).repeat(999);
    let body = format!("[{wrong}{}]", orders::create(5));
    let request = format!(
        "POST /commands HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let (most, last) = request.as_bytes().split_at(request.len() - 1);
    let connect = |_| std::net::TcpStream::connect(target.address(0)).unwrap();
    let mut batches: Vec<_> = (0..4).map(connect).collect();
    let send = |batch: &mut std::net::TcpStream, bytes| {
        std::io::Write::write_all(batch, bytes).unwrap();
    };
    batches.iter_mut().for_each(|batch| send(batch, most));
    // All are complete at about the same time.
    batches.iter_mut().for_each(|batch| send(batch, last));
    for batch in batches {
        let answer = std::io::read_to_string(batch).unwrap();
        assert_eq!(status(&answer), Some(200), "{}", &answer[..answer.len().min(1_000)]);
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let results: serde_json::Value = serde_json::from_str(body).unwrap();
        let results = results["results"].as_array().unwrap();
        assert_eq!((results.len(), &results[999]["status"]), (1_000, &201.into()));
        let listed = |result: &serde_json::Value| result["errors"].as_array().map_or(0, Vec::len);
        assert!(results[..999].iter().all(|result| listed(result) > 0), "each says why");
        assert_eq!(results.iter().map(listed).sum::<usize>(), 999 + 100);
        // All but the first of the unknown fields and `order_id`, which is missing.
        assert_eq!(results[998]["errors_left_out"], 100);
    }
    target.check(256 << 20);
}
