//! What streams of events may take: memory, places, and how long they are silent.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use http::StatusCode;
use kernel::query::Queries as _;
use orders::OrderQueries;
use query_api::live::Bounds;
use shared::http::{Client, Hosts, Limits, serve};
use shared::service::health::Health;
use shared::service::slot::ServiceSlot;
use tests::orders::stream;
use tests::until;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;
use warp::Reply as _;

use super::{Reader, Subject};

/// What waits for a client that has read nothing: bytes of changes, and whether the stream has ended.
fn waiting(client: &mut Reader) -> (usize, bool) {
    let mut bytes = 0;
    while let Some(next) = client.body.next().now_or_never() {
        let Some(Ok(piece)) = next else { return (bytes, true) };
        // What all of them share is in memory once.
        let is_shared = std::str::from_utf8(&piece).unwrap().contains("event: checkpoint");
        bytes += if is_shared { 0 } else { piece.len() };
    }
    (bytes, false)
}

#[tokio::test]
async fn what_waits_for_all_clients_is_bounded_and_who_reads_misses_nothing() {
    let most = 8 << 20;
    let subject = Subject::bounded(Bounds { waiting: most, ..Bounds::default() }).await;
    let note = "x".repeat(12 << 10);
    let mut reads = subject.open(&[("max_per_second", "10000")], None).await;
    let (mut orders, mut silent) = (vec![], vec![]);
    for number in 0..200 {
        let (order, customer) = (stream(), format!("C-{number}"));
        // Each has changes of its own, so that none of them is shared.
        let given = [("customer_id", customer.as_str()), ("max_per_second", "10000")];
        let mut client = subject.open(&given, None).await;
        waiting(&mut client);
        silent.push(client);
        orders.push((order, customer));
    }
    for version in 1..=8 {
        for (order, customer) in &orders {
            subject.change_noting(order, version, (customer, "created"), &note).await;
        }
        let mut told = HashSet::new();
        while told.len() < orders.len() {
            let [(order, of)] = reads.views().await;
            told.extend((of == version).then_some(order));
        }
    }
    let found: Vec<(usize, bool)> = silent.iter_mut().map(waiting).collect();
    let bytes: usize = found.iter().map(|(bytes, _)| bytes).sum();
    let cut = found.iter().filter(|(_, is_cut)| *is_cut).count();
    assert!((1..=most).contains(&bytes), "{bytes} bytes wait");
    assert!((1..200).contains(&cut), "{cut} were cut off: not more than had to be");
}

#[tokio::test]
async fn clients_that_come_back_begin_afresh_when_too_much_is_kept_for_others() {
    let subject = Subject::bounded(Bounds { missed: 150 << 10, ..Bounds::default() }).await;
    let mut client = subject.open(&[], None).await;
    let first = stream();
    subject.change(&first, 1, "x", "created").await;
    let last = client.next().await.unwrap().id;
    for _ in 0..1_000 {
        subject.change(&stream(), 1, "x", "created").await;
    }
    let one = subject.open(&[("data", "none")], Some(&last)).await;
    let mut other = subject.open(&[], Some(&last)).await;
    assert_eq!(other.next().await.unwrap().name, "reset");
    drop(one);
    let again = || async {
        let mut again = subject.open(&[("customer_id", "y")], Some(&last)).await;
        let next = again.body.next().await.unwrap().unwrap();
        assert_eq!(next, "retry: 1000\n\n");
        // None of what was missed fits; a reset would come before the checkpoint.
        let next = String::from_utf8(again.body.next().await.unwrap().unwrap().into()).unwrap();
        next.contains("event: checkpoint").then_some(())
    };
    until("what was kept for the first is given up", again).await;
}

#[tokio::test]
async fn one_client_that_reads_nothing_leaves_room_for_what_others_have_missed() {
    // For the names of what three streams have missed.
    let subject = Subject::bounded(Bounds { missed: 300 << 10, ..Bounds::default() }).await;
    for _ in 0..=1_000 {
        subject.change(&stream(), 1, "x", "created").await;
    }
    let last = format!("{}.{}.0-1", subject.live.log, subject.live.id);
    let open = async |name: &str| {
        let client = Some(Client::Principal(name.to_owned()));
        let opened = subject.open_as(client, &[("data", "none")], Some(&last)).await;
        opened.map_err(|it| it.detail).unwrap()
    };
    let (_first, mut second) = (open("a").await, open("a").await);
    assert_eq!(second.next().await.unwrap().name, "reset", "it has no more than half");
    let mut other = open("b").await;
    assert_eq!(other.next().await.unwrap().name, "view");
}

#[tokio::test]
async fn one_client_can_not_take_all_streams() {
    let bounds = Bounds { streams: 3, of_one: 2, ..Bounds::default() };
    let subject = Subject::bounded(bounds).await;
    let open = async |name: &str| {
        subject.open_as(Some(Client::Principal(name.to_owned())), &[], None).await
    };
    let place = async |name: &str| open(name).await.map_err(|it| it.detail).unwrap();
    let refused = async |name: &str| {
        let response = open(name).await.map(|_| ()).unwrap_err().into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(response.headers().contains_key("retry-after"), "{:?}", response.headers());
    };
    let first = place("a").await;
    let _second = place("a").await;
    refused("a").await;
    let _other = place("b").await;
    refused("b").await;
    drop(first);
    place("a").await;
}

/// The status of a request for live changes, and its header; the stream stays open.
async fn ask_from(server: SocketAddr, last: u8) -> (TcpStream, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, last], 0).into()).unwrap();
    let mut connection = socket.connect(server).await.unwrap();
    connection.write_all(b"GET /live HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut header = vec![];
    while !header.ends_with(b"\r\n\r\n") {
        header.push(connection.read_u8().await.unwrap());
    }
    (connection, String::from_utf8(header).unwrap().to_ascii_lowercase())
}

#[tokio::test]
async fn where_clients_have_no_names_each_address_has_its_share() {
    let bounds = Bounds { streams: 3, of_one: 2, ..Bounds::default() };
    let subject = Subject::bounded(bounds).await;
    let (slot, stop) = (ServiceSlot::default(), subject.stop.clone());
    slot.fill(subject.service);
    let (health, contract) = (Health::default(), OrderQueries.contract());
    let links = Default::default();
    let (routes, _) = query_api::routes::routes(slot, health, links, contract, None);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, routes, Hosts::default(), Limits::default(), stop.clone()));
    let mut open = vec![];
    for (last, status) in [(2, " 200 "), (2, " 200 "), (2, " 429 "), (3, " 200 "), (3, " 429 ")] {
        let (connection, header) = ask_from(server, last).await;
        assert!(header.contains(status), "{last}: {header}");
        assert_eq!(header.contains("retry-after: "), status == " 429 ", "{header}");
        open.push(connection);
    }
    stop.cancel();
}

/// The next bytes of a stream that is silent, and after how many seconds they came.
async fn next_of(client: &mut Reader) -> (bytes::Bytes, u64) {
    let since = Instant::now();
    let next = tokio::time::timeout(Duration::from_secs(60), client.body.next()).await;
    let Ok(bytes) = next.expect("something comes").expect("the stream goes on");
    (bytes, (since.elapsed() + Duration::from_millis(500)).as_secs())
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_says_every_15_seconds_that_it_is_alive() {
    let subject = Subject::new().await;
    let mut client = subject.open(&[], None).await;
    waiting(&mut client);
    for _ in 0..3 {
        let (alive, seconds) = next_of(&mut client).await;
        // An event that browsers hand to the page, without an id.
        assert_eq!((&*alive, seconds), (&b"event: alive\ndata: {}\n\n"[..], 15), "{alive:?}");
    }
    // It counts from the last event.
    tokio::time::advance(Duration::from_secs(10)).await;
    subject.change(&stream(), 1, "x", "created").await;
    assert_eq!(client.next().await.unwrap().name, "view");
    let (mut next, mut seconds) = next_of(&mut client).await;
    if !next.starts_with(b"event: alive\n") {
        (next, seconds) = next_of(&mut client).await; // That was a checkpoint.
    }
    assert!(next.starts_with(b"event: alive\n"), "{next:?}");
    assert_eq!(seconds, 15);
}
