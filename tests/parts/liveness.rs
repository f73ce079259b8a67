//! Work that hangs in code that does not return is told by `/livez`.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use command_api::write::Writer;
use kernel::log::{Entry, Recorded};
use kernel::projection::{Change, ErasedProjection, JsonProjection, Stored, Unprojectable};
use orders::OrderProjection;
use projector::{Dependencies, Worker};
use shared::event_store::EventStore as _;
use shared::event_store::sqlite::Sqlite;
use shared::feed::cursor::Cursors;
use shared::http::probes::probes;
use shared::http::{Hosts, Limits, close, serve};
use shared::messaging::rabbitmq::RabbitMq;
use shared::service::health::Health;
use shared::service::liveness::Liveness;
use shared::view_store::memory::Memory;
use tests::door::Door;
use tests::orders::{commit, created};
use tests::proxy::Proxies;
use tests::relaying::Relaying;
use tests::services::Urls;
use tests::stores::TempDir;
use tests::toy::{GATE, HANG, Toy, stream, write};
use tests::{Own, until};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use waybill::client::Client;

/// Serves the probes alone.
async fn probed(health: &Health, stop: &CancellationToken) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(&format!("http://{}", listener.local_addr().unwrap()));
    let routes = close(probes(health.clone()), "GET, HEAD");
    tokio::spawn(serve(listener, routes, Hosts::default(), Limits::of_process(1), stop.clone()));
    client
}

async fn livez(client: &Client) -> (u16, String) {
    let answer = client.send(http::Method::GET, "/livez", &[], "").await.unwrap();
    (answer.status.as_u16(), String::from_utf8_lossy(&answer.body).into_owned())
}

/// Waits until `/livez` says that this work is stuck.
async fn until_stuck(client: &Client, work: &str) -> String {
    until(&format!("{work} is told"), || async {
        let (status, told) = livez(client).await;
        (status == 503 && told.contains(&format!("{work} for"))).then_some(told)
    })
    .await
}

async fn until_alive(client: &Client) {
    until("it is alive", || async { (livez(client).await.0 == 200).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_domain_that_does_not_return_ends_the_liveness_until_it_does() {
    let (folder, stop) = (TempDir::default(), CancellationToken::new());
    let store = Arc::new(Sqlite::open(&folder.0).unwrap());
    let patience = Duration::from_millis(500);
    let health = Health::of(&["commands"]).with(Liveness::with_patience(patience));
    let client = probed(&health, &stop).await;
    let (writer, scheduler) = Writer::<Toy>::start(store, health);
    writer.submit(write(&stream(), "before")).await.unwrap().unwrap();
    assert_eq!(livez(&client).await, (200, "alive".to_owned()));
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let holder = std::thread::spawn(move || {
        let _gate = GATE.lock().unwrap_or_else(PoisonError::into_inner);
        held.recv().ok();
    });
    until("the gate is closed", || async { GATE.try_lock().is_err().then_some(()) }).await;
    let hangs = writer.submit(write(&stream(), HANG));
    let told = until_stuck(&client, "commands").await;
    assert!(told.contains("\"/problems/stuck\""), "{told}");
    let answer = client.send(http::Method::GET, "/livez", &[], "").await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.headers.get("retry-after")), (503, None));
    hold.send(()).unwrap();
    holder.join().unwrap();
    hangs.await.unwrap().unwrap();
    until_alive(&client).await;
    drop(writer);
    scheduler.await.unwrap();
    stop.cancel();
}

/// More than the second that a worker, or a relay, may rest; the rest is for a busy machine.
const PATIENCE: Duration = Duration::from_secs(4);

/// A projection with a fold that does not return while the door is shut.
struct Folding(Arc<Door>);

impl ErasedProjection for Folding {
    fn version(&self) -> u32 {
        JsonProjection(OrderProjection).version()
    }

    fn project(
        &self,
        stored: Option<&Stored>,
        events: &[Recorded],
    ) -> Result<Change, Unprojectable> {
        self.0.pass();
        JsonProjection(OrderProjection).project(stored, events)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_fold_of_views_that_does_not_return_ends_the_liveness_until_it_does() {
    let (folder, stop) = (TempDir::default(), CancellationToken::new());
    let (store, door) = (Arc::new(folder.sqlite()), Arc::<Door>::default());
    let health = Health::of(&["views"]).with(Liveness::with_patience(PATIENCE));
    let client = probed(&health, &stop).await;
    let worker = Worker::new(Dependencies {
        feeds: Arc::new(Cursors(store.clone())),
        store: store.clone(),
        operation_log: store.clone(),
        views: Arc::new(Memory::default()),
        projection: Arc::new(Folding(door.clone())),
        health: health.clone(),
        holder: "of this test".to_owned(),
    });
    let worker = tokio::spawn(worker.run(stop.clone()));
    until("the worker serves", || async { health.waiting().is_empty().then_some(()) }).await;
    let held = door.shut();
    let stream = tests::orders::stream();
    let order = commit(1, &stream, 1, &created(&stream, 5));
    store.insert(&[Entry::Commit(order)]).await.unwrap();
    until_stuck(&client, "views").await;
    drop(held);
    until_alive(&client).await;
    stop.cancel();
    worker.await.unwrap();
}

/// As if the publisher itself did not return: the broker's confirm is waited for longer than this liveness
/// has patience.
#[tokio::test(flavor = "multi_thread")]
async fn a_publishing_that_does_not_get_on_ends_the_liveness_until_it_does() {
    let (own, stop) = (Own::default(), CancellationToken::new());
    let proxies = Proxies::before(&Urls::of_the_run());
    let broker = RabbitMq::new(&proxies.urls().rabbitmq, &own.namespace);
    let health = Health::of(&["relay"]).with(Liveness::with_patience(PATIENCE));
    let client = probed(&health, &stop).await;
    let relay = Relaying::start_with(&own, broker, health.clone()).await;
    until("it relays", || async { health.waiting().is_empty().then_some(()) }).await;
    proxies.rabbitmq.withhold();
    let stream = tests::orders::stream();
    let order = commit(1, &stream, 1, &created(&stream, 5));
    own.mongodb().await.insert(&[Entry::Commit(order)]).await.unwrap();
    until_stuck(&client, "relay").await;
    proxies.rabbitmq.resume();
    until_alive(&client).await;
    relay.stop().await;
    stop.cancel();
    own.remove().await;
}
