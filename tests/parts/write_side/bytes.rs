//! What the write side holds, sends and reads is bound by bytes.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ::orders::OrderAggregate;
use async_trait::async_trait;
use command_api::Service;
use command_api::write::{FlowControl, Request, Writer};
use futures::future::join_all;
use http::Method;
use kernel::log::{Commit, Entry, Position, StreamName, Version};
use kernel::{Namespace, Result};
use shared::event_store::{EventStore, Inserted, NotInserted, Part};
use shared::http::{Hosts, Limits, serve};
use shared::service::health::Health;
use shared::service::slot::ServiceSlot;
use tests::counted::Counted;
use tests::decorator::{Decorator, Hooks};
use tests::held::Held;
use tests::memory::peak;
use tests::orders;
use tests::proxy::Proxies;
use tests::services::{self, Urls};
use tests::stores::TempDir;
use tests::toy::{AGAIN, Toy, stream, write};
use tests::{Own, until};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use waybill::client::Client;

type Store = Arc<dyn EventStore>;

/// The entries of each insert when so many commands of so many bytes wait for the log.
async fn inserts(store: Store, commands: usize, bytes: usize) -> Vec<usize> {
    let held = Held::over(store);
    let (writer, scheduler) = Writer::<Toy>::start(held.clone(), Health::default());
    let mut outcomes = vec![];
    for group in 1..=2 {
        outcomes.push(writer.submit(write(&stream(), "")));
        held.hooks.until_begun(group).await;
    }
    // As if it were so long.
    let command = || Request { bytes, ..write(&stream(), "") };
    outcomes.extend((0..commands).map(|_| writer.submit(command())));
    held.hooks.release();
    for outcome in join_all(outcomes).await {
        outcome.unwrap().unwrap();
    }
    drop(writer);
    scheduler.await.unwrap();
    held.hooks.inserts.lock().unwrap().split_off(2)
}

async fn a_group_is_bound_in_bytes(store: Store) {
    let inserts = inserts(store, 10, 1 << 20).await;
    assert_eq!(inserts.iter().sum::<usize>(), 10);
    assert_eq!(inserts.iter().max(), Some(&4), "{inserts:?}");
}

async fn a_group_is_bound_in_number(store: Store) {
    let inserts = inserts(store, 600, 100).await;
    assert_eq!(inserts.iter().sum::<usize>(), 600);
    assert_eq!(inserts.iter().max(), Some(&256), "{inserts:?}");
}

async fn a_command_that_is_larger_than_a_group_goes_alone(store: Store) {
    assert_eq!(inserts(store, 2, 5 << 20).await, [1, 1]);
}

/// 40 states of 1 MiB: the latest are known, the earliest are forgotten and read again.
async fn known_states_are_bound_in_bytes(store: Store) {
    let counted = Counted::over(store);
    let (writer, scheduler) = Writer::<Toy>::start(counted.clone(), Health::default());
    let large = "x".repeat(1 << 20);
    let streams: Vec<StreamName> = (0..40).map(|_| stream()).collect();
    for stream in &streams {
        writer.submit(write(stream, &large)).await.unwrap().unwrap();
    }
    let read = async |stream: &StreamName| {
        counted.hooks.take();
        writer.submit(write(stream, "small")).await.unwrap().unwrap();
        counted.hooks.take()
    };
    // From the latest on: a state that is read again drives out another.
    let mut reads = vec![];
    for stream in streams.iter().rev() {
        reads.push(read(stream).await);
    }
    assert_eq!(reads[..31], [0; 31], "the latest 31 MiB are known");
    assert_eq!(reads[39], 1, "the first is not");
    drop(writer);
    scheduler.await.unwrap();
}

/// Measures what is read of streams and inserted.
#[derive(Default)]
struct Measured {
    /// Bytes that were read of streams, and are in no insert yet of a commit of the same size.
    open: AtomicI64,
    most_open: AtomicI64,
    /// Bytes of each insert.
    inserts: Mutex<Vec<usize>>,
}

fn data(commit: &Commit) -> usize {
    commit.events.iter().map(|event| event.data.as_str().len()).sum()
}

#[async_trait]
impl Hooks for Measured {
    async fn read_streams(
        &self,
        store: &dyn EventStore,
        above: &[(&StreamName, Version)],
    ) -> Result<Part> {
        let part = store.read_streams(above).await?;
        let bytes = part.commits.iter().map(data).sum::<usize>() as i64;
        let open = self.open.fetch_add(bytes, Ordering::SeqCst) + bytes;
        self.most_open.fetch_max(open, Ordering::SeqCst);
        Ok(part)
    }

    async fn insert(
        &self,
        store: &dyn EventStore,
        entries: &[Entry],
    ) -> Result<Vec<Inserted>, NotInserted> {
        let commits = entries.iter().cloned().filter_map(Entry::into_commit);
        let bytes: usize = commits.map(|commit| data(&commit)).sum();
        self.inserts.lock().unwrap().push(bytes);
        let inserted = store.insert(entries).await;
        self.open.fetch_sub(bytes as i64, Ordering::SeqCst);
        inserted
    }
}

/// Each of 48 small commands is for a state of 1 MiB, and leads to an event of 1 MiB.
async fn a_group_is_bound_in_bytes_of_what_its_commands_lead_to(store: Store) {
    let (writer, scheduler) = Writer::<Toy>::start(store.clone(), Health::default());
    let large = "x".repeat(1 << 20);
    let streams: Vec<StreamName> = (0..48).map(|_| stream()).collect();
    for stream in &streams {
        writer.submit(write(stream, &large)).await.unwrap().unwrap();
    }
    drop(writer);
    scheduler.await.unwrap();
    let measured = Decorator::over(store, Measured::default());
    let (writer, scheduler) = Writer::<Toy>::start(measured.clone(), Health::default());
    let again = async |streams: Vec<&StreamName>| {
        let submit = |stream: &StreamName| writer.submit(write(stream, AGAIN));
        let outcomes: Vec<_> = streams.into_iter().map(submit).collect();
        for outcome in join_all(outcomes).await {
            outcome.unwrap().unwrap();
        }
        std::mem::take(&mut *measured.hooks.inserts.lock().unwrap())
    };
    let inserts = again(streams.iter().collect()).await;
    assert!(inserts.iter().all(|bytes| *bytes < 10 << 20), "{inserts:?}");
    assert!(inserts.len() < 24, "several go together: {inserts:?}");
    let most = measured.hooks.most_open.load(Ordering::SeqCst);
    assert!(most < 32 << 20, "{} MiB were read, of which nothing was written", most >> 20);
    // Those of one stream may go in one chain: it ends with the third, as states of 2 MiB and more count too.
    let inserts = again(vec![&streams[0]; 16]).await;
    assert!(inserts.iter().all(|bytes| *bytes < 7 << 19), "{inserts:?}");
    drop(writer);
    scheduler.await.unwrap();
}

/// Counts reads of the log. Nothing tells how long it is before it is let go.
struct Slow {
    reads: AtomicUsize,
    released: watch::Sender<bool>,
}

#[async_trait]
impl Hooks for Slow {
    async fn read(
        &self,
        store: &dyn EventStore,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        store.read(after, limit).await
    }

    async fn head(&self, store: &dyn EventStore) -> Result<Position> {
        self.released.subscribe().wait_for(|released| *released).await.unwrap();
        store.head().await
    }
}

/// A part of the log has its place from when it is read until its answer is made.
#[tokio::test(flavor = "multi_thread")]
async fn four_parts_of_the_log_are_in_memory_at_a_time() {
    let folder = TempDir::default();
    let slow = Slow { reads: AtomicUsize::new(0), released: watch::channel(false).0 };
    let store = Decorator::over(Arc::new(folder.sqlite()), slow);
    let (slot, health, stop) =
        (ServiceSlot::default(), Health::default(), CancellationToken::new());
    let (namespace, flow_control) = (Namespace::default(), FlowControl::off());
    let service = Service::<OrderAggregate>::start(
        store.clone(),
        &namespace,
        &health,
        flow_control,
        stop.clone(),
    );
    slot.fill(service.await.unwrap().0);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(&format!("http://{}", listener.local_addr().unwrap()));
    let (routes, _) = command_api::routes::routes(slot, health, None);
    let served =
        tokio::spawn(serve(listener, routes, Hosts::default(), Limits::default(), stop.clone()));
    let asked: Vec<_> = (0..10)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.send(Method::GET, "/events", &[], "").await })
        })
        .collect();
    until("all places are taken", || async {
        (store.hooks.reads.load(Ordering::SeqCst) >= 4).then_some(())
    })
    .await;
    // Of ten requests before these more would have begun by now.
    for _ in 0..100 {
        client.send(Method::GET, "/livez", &[], "").await.unwrap();
    }
    assert_eq!(store.hooks.reads.load(Ordering::SeqCst), 4);
    store.hooks.released.send_replace(true);
    for answer in join_all(asked).await {
        assert_eq!(answer.unwrap().unwrap().status, 200);
    }
    assert_eq!(store.hooks.reads.load(Ordering::SeqCst), 10);
    stop.cancel();
    drop(client);
    served.await.unwrap();
}

/// As a program. Of a batch that is white space but for one command, that command waits and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_batches_are_gone_while_their_commands_wait() {
    const BATCHES: usize = 40;
    let (own, proxies) = (Own::default(), Proxies::before(&Urls::of_the_run()));
    let service = services::Service::start("command-api", own.namespace.as_str(), &proxies.urls());
    let body = format!("[{}{}]", orders::create(5), " ".repeat((1 << 20) - 1_000));
    let headers = [("content-type", "application/json")];
    until("it carries out a batch", || async {
        let sent = service.client.send(Method::POST, "/commands", &headers, body.clone()).await;
        sent.is_ok_and(|answer| answer.status == 200).then_some(())
    })
    .await;
    let before = peak(service.process.id());
    proxies.mongodb.stall();
    let request = format!(
        "POST /commands HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let address = service.client.base().trim_start_matches("http://").to_owned();
    let mut held = vec![];
    for number in 1..=BATCHES {
        let mut connection = TcpStream::connect(&address).await.unwrap();
        connection.write_all(request.as_bytes()).await.unwrap();
        held.push(connection);
        // One after the other, so that no two bodies are on their way.
        until("its command waits", || async {
            let told = service.client.send(Method::GET, "/metrics", &[], "").await.ok()?;
            let text = String::from_utf8_lossy(&told.body).into_owned();
            text.contains(&format!("\nwaybill_commands_waiting {number}\n")).then_some(())
        })
        .await;
    }
    let grown = peak(service.process.id()) - before;
    assert!(grown < 24 << 20, "{} MiB of memory", grown >> 20);
    proxies.mongodb.resume();
    drop(held);
    service.process.stop();
    own.remove().await;
}

tests::on_both_logs! {
    a_group_is_bound_in_bytes
    a_group_is_bound_in_number
    a_command_that_is_larger_than_a_group_goes_alone
    known_states_are_bound_in_bytes
    a_group_is_bound_in_bytes_of_what_its_commands_lead_to
}
