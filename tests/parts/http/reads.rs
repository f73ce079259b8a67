//! Reads of the log over HTTP: how many at a time, for whom, and for how long.

use std::collections::BTreeSet;
use std::iter::repeat_n;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use kernel::Result;
use kernel::log::{Entry, Position, StreamName, Version};
use serde_json::json;
use shared::event_store::{EventStore, Part};
use tests::decorator::{Decorator, Hooks};
use tests::let_pass;
use tests::orders;
use tests::serving::Serving;
use tests::stores::TempDir;
use tests::until;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};

use super::connections::{rest, status};

/// How long one read takes.
const READ: Duration = Duration::from_millis(10);
/// The same, so long that a machine under load has accepted all requests before half of them are read for.
const SLOW_READ: Duration = Duration::from_millis(500);
/// Reads of the log at a time.
const PLACES: usize = 4;
/// For a read beside folds that do not end.
const SOON: Duration = Duration::from_secs(5);

/// Reads of folds, after which all that were asked for are under way.
const UNDER_WAY: usize = 200;
/// Streams that are folded at a time for one client.
const FOLDS_OF_CLIENT: usize = 4;

/// A log in which no stream has an end.
#[derive(Default)]
struct Endless {
    /// Reads behind an event.
    reads: AtomicUsize,
    /// The streams that were read so: a state of each is in memory.
    folded: Mutex<BTreeSet<String>>,
}

#[async_trait]
impl Hooks for Endless {
    async fn read_streams(
        &self,
        store: &dyn EventStore,
        above: &[(&StreamName, Version)],
    ) -> Result<Part> {
        let part = store.read_streams(above).await?;
        for (stream, _) in above.iter().filter(|it| it.1 > 0) {
            self.reads.fetch_add(1, Ordering::SeqCst);
            self.folded.lock().unwrap().insert(stream.to_string());
        }
        let_pass(READ).await;
        Ok(Part { complete: false, ..part })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn states_of_long_orders_leave_room_for_other_reads_and_end() {
    let folder = TempDir::default();
    let endless = Decorator::over(Arc::new(folder.sqlite()), Endless::default());
    let serving = Serving::start(endless.clone()).await;
    let other = serving.api.create_lamp(5).await;
    let mut states = vec![];
    for _ in 0..2 * FOLDS_OF_CLIENT {
        let long = serving.api.create_lamp(5).await;
        // All places for reads several times over.
        states.extend(repeat_n(format!("/orders/{}/state", long.order_id()), 5));
    }
    let states = join_all(states.iter().map(|path| serving.api.get(path)));
    let others = async {
        until("the folds are under way", || async {
            (endless.hooks.reads.load(Ordering::SeqCst) > UNDER_WAY).then_some(())
        })
        .await;
        let folded = || endless.hooks.folded.lock().unwrap().clone();
        assert!(folded().len() <= FOLDS_OF_CLIENT, "{} states at a time", folded().len());
        let of_another =
            ask_from(&serving, 2, &format!("/orders/{}/state", other.order_id())).await;
        until("another client has its part", || async {
            folded().contains(&format!("order-{}", other.order_id())).then_some(())
        })
        .await;
        let events = format!("/orders/{}/events", other.order_id());
        for path in [events.as_str(), "/events"] {
            let read = tokio::time::timeout(SOON, serving.api.get(path));
            let read = read.await.expect("it does not wait for the states");
            assert_eq!(read.status, 200, "{path}: {:?}", read.body);
        }
        assert_eq!(status(&rest(of_another).await), Some(503));
    };
    let (states, ()) = tokio::join!(states, others);
    for state in states {
        assert_eq!((state.status, &*state.problem()), (503, "unavailable"), "{:?}", state.body);
        assert_eq!(state.header("retry-after"), Some("1"));
    }
    serving.stop().await;
}

/// Counts how often the log is read, which takes a while.
#[derive(Default)]
struct Read {
    takes: Mutex<Duration>,
    pages: AtomicUsize,
    /// Reads of positions and of the head.
    looks: AtomicUsize,
}

impl Read {
    fn pages(&self) -> usize {
        self.pages.load(Ordering::SeqCst)
    }

    fn looks(&self) -> usize {
        self.looks.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Hooks for Read {
    async fn read(
        &self,
        store: &dyn EventStore,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        self.pages.fetch_add(1, Ordering::SeqCst);
        let takes = *self.takes.lock().unwrap();
        let_pass(takes).await;
        store.read(after, limit).await
    }

    async fn read_positions(
        &self,
        store: &dyn EventStore,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Position>> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        store.read_positions(after, limit).await
    }

    async fn head(&self, store: &dyn EventStore) -> Result<Position> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        store.head().await
    }
}

fn address(serving: &Serving) -> SocketAddr {
    serving.client.base().trim_start_matches("http://").parse().unwrap()
}

/// Sends a request from 127.0.0.`last`.
async fn ask_from(serving: &Serving, last: u8, path: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, last], 0).into()).unwrap();
    let mut connection = socket.connect(address(serving)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    connection
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_wait_for_more_of_the_log_do_not_read_it_meanwhile() {
    const WAITING: usize = 100;
    let folder = TempDir::default();
    let store = Decorator::over(Arc::new(folder.sqlite()), Read::default());
    let serving = Serving::start(store.clone()).await;
    let (pages, looks) = (|| store.hooks.pages(), || store.hooks.looks());
    let head = serving.api.create_lamp(5).await.position();
    let wait = |after: Position| {
        let client = serving.api.waiting(30);
        tokio::spawn(async move { client.get(&format!("/events?after={after}")).await })
    };
    let ask = |after| (0..WAITING).map(|_| wait(after)).collect::<Vec<_>>();
    let (at_the_head, mut ahead) = (ask(head), ask(head + 1_000));
    ahead.push(wait(Position::MAX));
    until("all have found nothing", || async { (pages() > 2 * WAITING).then_some(()) }).await;
    let before = pages() + looks();
    let_pass(Duration::from_secs(1)).await;
    let read = pages() + looks() - before;
    assert!(read < WAITING, "{read} reads in a second without an append");
    let other = tokio::time::timeout(SOON, rest(ask_from(&serving, 2, "/events").await)).await;
    assert_eq!(status(&other.expect("it does not wait for those that wait")), Some(200));
    let before = pages();
    serving.api.create_lamp(5).await;
    for waiting in at_the_head {
        let page = tokio::time::timeout(SOON, waiting).await.expect("it is woken").unwrap();
        assert_eq!(page.status, 200, "{:?}", page.body);
        assert_eq!(page.json()["events"].as_array().unwrap().len(), 1);
    }
    let read = pages() - before;
    assert!(read < WAITING * 3 / 2, "{read} reads for {WAITING} pages");
    let ((), ahead) = tokio::join!(serving.stop(), join_all(ahead));
    for page in ahead {
        let page = page.unwrap();
        assert_eq!((page.status, page.json()["events"].clone()), (200, json!([])));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_waits_at_a_hole_goes_on_once_it_is_filled() {
    let folder = TempDir::default();
    let store = Decorator::over(Arc::new(folder.sqlite()), Read::default());
    let serving = Serving::start(store.clone()).await;
    let above: Vec<_> = (2..=5).map(Entry::Tombstone).collect();
    store.insert(&above).await.unwrap();
    let wait = |after: Position| {
        let client = serving.api.waiting(30);
        tokio::spawn(async move { client.get(&format!("/events?after={after}")).await })
    };
    // Another one waits above the hole before it, and for what comes there.
    let (behind, at_the_hole) = (wait(5), wait(0));
    let looks = store.hooks.looks();
    until("both wait", || async { (store.hooks.pages() >= 2).then_some(()) }).await;
    until("the log is looked at for them", || async {
        (store.hooks.looks() > looks).then_some(())
    })
    .await;
    assert!(!at_the_hole.is_finished() && !behind.is_finished());
    for (position, waiting, next) in [(1, at_the_hole, 5), (6, behind, 6)] {
        let stream = orders::stream();
        let created = orders::created(&stream, 5);
        let commit = orders::commit(position, &stream, 1, &created);
        store.insert(&[Entry::Commit(commit)]).await.unwrap();
        let page = tokio::time::timeout(SOON, waiting).await.expect("it is woken").unwrap();
        let page = page.json();
        assert_eq!(page["events"][0]["data"]["order_id"], stream.id());
        assert!(page["next"].as_str().unwrap().ends_with(&format!(".{next}")), "{page}");
    }
    serving.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn however_often_one_client_asks_for_the_log_another_is_answered_soon() {
    const ASKED: usize = 200;
    let folder = TempDir::default();
    let store = Decorator::over(Arc::new(folder.sqlite()), Read::default());
    let serving = Serving::start(store.clone()).await;
    serving.api.create_lamp(5).await;
    let takes = |time| *store.hooks.takes.lock().unwrap() = time;
    takes(SLOW_READ);
    let before = store.hooks.pages();
    let asked: Vec<_> = join_all((0..ASKED).map(|_| ask_from(&serving, 2, "/events"))).await;
    until("all places are taken", || async {
        (store.hooks.pages() - before >= PLACES).then_some(())
    })
    .await;
    assert_eq!(status(&rest(ask_from(&serving, 3, "/events").await).await), Some(200));
    let read = store.hooks.pages() - before;
    assert!(read < ASKED / 2, "it was answered after {read} pages");
    takes(Duration::ZERO);
    for connection in asked {
        assert_eq!(status(&rest(connection).await), Some(200));
    }
    serving.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_the_log_has_1000_events_at_most() {
    let folder = TempDir::default();
    let serving = Serving::start(Arc::new(folder.sqlite())).await;
    let order = serving.api.create_lamp(5).await.order_id();
    for path in ["/events".to_owned(), format!("/orders/{order}/events")] {
        let most = serving.api.get(&format!("{path}?limit=1000")).await;
        assert_eq!(most.status, 200, "{path}: {:?}", most.body);
        for limit in ["1001", "1000000", "0", "-1", "99999999999999999999", "ten"] {
            let refused = serving.api.get(&format!("{path}?limit={limit}")).await;
            let told = (refused.status, refused.problem());
            assert_eq!(told, (400, "malformed".to_owned()), "{path} {limit}");
        }
    }
    serving.stop().await;
}
