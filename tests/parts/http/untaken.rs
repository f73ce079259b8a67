//! Large answers that clients do not take.

use serde_json::json;
use shared::auth::Role;
use tests::client::OrderClient;
use tests::embedded::Embedded;
use tests::fuzz::{Request, Target};
use tests::orders;
use tests::stores::TempDir;
use tests::tokens::{Tokens, with};
use tests::until;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::connections::{LONG, Server, patient, rest, status};
use super::floods::{ask_from, connect_from, retry_after};

/// Asks until it is refused for want of room, and returns the answer.
async fn refused(server: &Server, header: &str) -> String {
    until("there is no room for another answer", || async {
        let request = format!("GET /large HTTP/1.1\r\nhost: localhost\r\n{header}\r\n\r\n");
        let answer = rest(server.send(&request).await).await;
        (status(&answer) == Some(503)).then_some(answer)
    })
    .await
}

/// Asks on this connection, and takes no more of the answer than that it is good.
async fn ask_and_hold(mut connection: TcpStream, path: &str) -> TcpStream {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    connection.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    connection
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_not_taken_take_so_much_memory_in_all() {
    let server = Server::start(patient()).await;
    let mut held = vec![];
    for last in [2, 3] {
        // Half of the room each.
        held.push(ask_and_hold(connect_from(&server, last).await, "/large").await);
    }
    for header in ["connection: close", "accept-encoding: gzip\r\nconnection: close"] {
        let answer = refused(&server, header).await;
        assert!(answer.contains("/problems/unavailable") && answer.contains("answers"), "{answer}");
        assert_eq!(retry_after(&answer), Some(1), "{answer}");
    }
    let small = "POST /length HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\n\
                 connection: close\r\n\r\nx";
    assert_eq!(status(&rest(server.send(small).await).await), Some(200), "small ones are given");
    assert_eq!(status(&server.ask("GET", "/metrics", "localhost").await), Some(200));
    drop(held);
    until("there is room again", || async {
        (status(&server.ask("GET", "/large", "localhost").await) == Some(200)).then_some(())
    })
    .await;
}

/// How many answers found no room, as `/metrics` tells.
fn refused_answers(target: &mut Target) -> f64 {
    let metrics = Request {
        service: 0,
        method: "GET".to_owned(),
        target: b"/metrics".to_vec(),
        headers: vec![],
        body: vec![],
    };
    let text = target.send(&metrics).unwrap().body;
    let text = String::from_utf8(text).unwrap();
    let is_it = |line: &&str| {
        line.starts_with("waybill_http_refused_total{") && line.contains("\"answers\"")
    };
    let told = text.lines().find(is_it).and_then(|line| line.rsplit(' ').next()?.parse().ok());
    told.unwrap_or(0.)
}

/// As a program. Each answer has about 1 MiB, and those to one client may take 64 of them. The first of each
/// connection go into the buffers of the kernel.
#[test]
fn large_answers_to_a_client_that_reads_nothing_take_little_memory() {
    const CONNECTIONS: usize = 100;
    const ASKED: usize = 8;
    let mut target = Target::start();
    let item = |sku: &str| {
        let mut item = orders::item(sku, 1, 5);
        item["name"] = json!("x".repeat(200));
        item
    };
    let batch = vec![orders::create_of(&["A", "B", "C"].map(item)); 800];
    let filled = target.send(&Request {
        service: 0,
        method: "POST".to_owned(),
        target: b"/commands".to_vec(),
        headers: vec![("content-type".to_owned(), b"application/json".to_vec())],
        body: json!(batch).to_string().into_bytes(),
    });
    assert_eq!(filled.unwrap().status, 200);
    let ask = |_| {
        let mut connection = std::net::TcpStream::connect(target.address(0)).unwrap();
        let request = b"GET /events?limit=1000 HTTP/1.1\r\nhost: localhost\r\n\r\n";
        std::io::Write::write_all(&mut connection, &request.repeat(ASKED)).unwrap();
        connection
    };
    let _asked: Vec<_> = (0..CONNECTIONS).map(ask).collect();
    let started = std::time::Instant::now();
    while refused_answers(&mut target) == 0. {
        assert!(started.elapsed() < LONG, "all found room");
    }
    let other = ask_as_another(target.address(0));
    assert_eq!(status(&other), Some(200), "another client has room");
    target.check(256 << 20);
}

/// Asks for events from another address of this machine.
fn ask_as_another(server: &str) -> String {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 2], 0).into()).unwrap();
        let mut connection = socket.connect(server.parse().unwrap()).await.unwrap();
        let request = b"GET /events?limit=1000 HTTP/1.1\r\nhost: localhost\r\n\
                        connection: close\r\n\r\n";
        connection.write_all(request).await.unwrap();
        rest(connection).await
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_client_leaves_room_for_the_answers_of_others() {
    let server = Server::start(patient()).await;
    let _held = ask_and_hold(connect_from(&server, 2).await, "/large").await;
    assert_eq!(status(&ask_from(&server, 2, "/large").await), Some(503), "it has its half");
    assert_eq!(status(&ask_from(&server, 3, "/large").await), Some(200));
}

/// Without a token a client is given files alone, however many.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_the_same_for_all_take_no_room_of_answers() {
    let (folder, tokens) = (TempDir::default(), Tokens::default());
    let token = tokens.of("ops", &[Role::Command, Role::Operate]);
    let system = Embedded::start_with(&folder, tokens.config()).await;
    let commands = OrderClient::new(&with(&system.commands, &token));
    assert_eq!(commands.batch(&vec![orders::create(5); 300]).await.status, 200);
    let mut held = vec![];
    for _ in 0..100 {
        let connection = TcpStream::connect(system.running.addresses.command).await.unwrap();
        held.push(ask_and_hold(connection, "/docs/swagger-ui-bundle.js").await);
    }
    let events = commands.get("/events?limit=1000").await;
    assert_eq!(events.status, 200, "{:?}", events.body);
    assert!(events.body.len() > 64 << 10, "{}", events.body.len());
    drop((commands, held));
    system.stop().await;
}
