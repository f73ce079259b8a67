//! Views that are made again while much is to be done, or much can't be: as the fault campaign does it.

use std::time::Duration;

use http::Method;
use kernel::log::{Entry, Position, StreamName, Version};
use shared::event_store::EventStore as _;
use shared::event_store::mongodb::MongoDb;
use shared::view_store::redis::Redis;
use shared::view_store::{Generation, GenerationId, ViewStore as _};
use tests::orders::{self, NamedEvent};
use tests::services::{System, Urls};
use tests::until;
use tests::working::projection;
use waybill::verify::Parked;

use super::watched;

/// Commits of one insert.
const GROUP: usize = 500;
/// Orders that are written while no projector goes on.
const BACKLOG: usize = 2_000;
/// Streams that can't be applied. A projector parks 100 within a minute, so it takes five minutes or more for
/// them. Until the test starts the projector again it waits for five alerts and a rebuild: each takes up to a
/// minute on a slow machine, and none may come after the last stream is parked.
const POISONED: usize = 600;
/// Orders that are written each time the growing queue is looked at. A worker holds 64 messages as it is counted
/// or none, so what is counted may be smaller than the time before where the queue grows slowly.
const GROWTH: usize = 20;
/// For the views to hold what is left in the queue.
const CATCHING_UP: Duration = Duration::from_secs(60);

fn one_event_a_message() -> [(String, String); 1] {
    [("WAYBILL_EVENTS_PER_MESSAGE".to_owned(), "1".to_owned())]
}

fn streams(count: usize) -> Vec<StreamName> {
    (0..count).map(|_| orders::stream()).collect()
}

/// Puts one event of each stream into the log, past every command-api.
async fn append(
    store: &MongoDb,
    streams: &[StreamName],
    version: Version,
    event: impl Fn(&StreamName) -> NamedEvent,
) {
    let head = store.head().await.unwrap();
    let commit = |(stream, position): (&StreamName, Position)| {
        Entry::Commit(orders::commit(position, stream, version, &event(stream)))
    };
    let entries: Vec<Entry> = streams.iter().zip(head + 1..).map(commit).collect();
    for group in entries.chunks(GROUP) {
        store.insert(group).await.unwrap();
    }
}

/// Asks the projector for new views until it has begun them.
async fn begin(system: &System) -> GenerationId {
    let projector = &system.projectors[0].client;
    until("a rebuild begins", || async {
        let begun = projector.post("/rebuild", &[], "").await.ok()?;
        let begun = begun.status.is_success().then(|| begun.json().ok()).flatten()?;
        begun["id"].as_str().map(GenerationId::stored)
    })
    .await
}

async fn until_live(views: &Redis, wanted: &GenerationId) {
    until("the new views are live", || async {
        let live = views.live().await.ok()??;
        (live.id == *wanted).then_some(())
    })
    .await;
}

/// The projector hangs until 2,000 messages wait and new views are begun, which it finds when it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_begins_under_a_backlog_is_told_until_it_is_live() {
    let system = System::start_with(&Urls::of_the_run(), &one_event_a_message(), 1, 1).await;
    let views = system.own.redis().await;
    let first = views.live().await.unwrap().expect("live views");
    let prometheus = watched(&system).await;
    prometheus.until_quiet().await;

    let projector = &system.projectors[0].process;
    projector.signal("STOP");
    let store = system.own.mongodb().await;
    append(&store, &streams(BACKLOG), 1, |stream| orders::created(stream, 5)).await;
    system.until_relayed().await;
    let no_projector_goes_on =
        ["WaybillHealerMissing", "WaybillServiceDown", "WaybillViewsLag", "WaybillViewsStale"];
    prometheus.until_only(&no_projector_goes_on).await;
    // As it is done where an operator asks a worker for it.
    let wanted = Generation::new(first.log.clone(), projection());
    assert!(views.begin(&wanted).await.unwrap());
    let queue = first.id.queue(&system.own.namespace);
    let waiting = system.own.rabbitmq().waiting(&queue).await.unwrap();
    assert!(waiting.is_some_and(|waiting| waiting > 1_000), "no backlog: {waiting:?}");

    projector.signal("CONT");
    until_live(&views, &wanted.id).await;
    prometheus.until_quiet().await;
    system.verify().await;
    system.until_queues_are_empty().await;
    drop(prometheus);
    system.remove().await;
}

/// Starts the projector again and again until it has parked all that can't be applied: each time it may park
/// another 100 streams.
async fn park_all(system: &mut System) {
    let views = system.own.redis().await;
    loop {
        let projector = &mut system.projectors[0];
        projector.process.kill();
        projector.restart();
        let client = &projector.client;
        let are_all_parked = until("it has parked as many as it may, or all", || async {
            let live = views.live().await.ok()??;
            if views.count_parked(&live.id).await.ok()? == POISONED as u64 {
                return Some(true);
            }
            let answer = client.send(Method::GET, "/readyz", &[], "").await.ok()?;
            let told = String::from_utf8_lossy(&answer.body);
            told.contains("100 streams were parked within a minute").then_some(false)
        })
        .await;
        if are_all_parked {
            return;
        }
    }
}

/// More streams than a worker parks within a minute: it waits, what comes meanwhile stays in the queue, and
/// the views that are made wait too, until all are parked.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_grows_and_a_rebuild_that_does_not_get_on_are_told_until_they_do() {
    let mut system = System::start_with(&Urls::of_the_run(), &one_event_a_message(), 1, 1).await;
    let prometheus = watched(&system).await;
    prometheus.until_quiet().await;

    let (store, poisoned) = (system.own.mongodb().await, streams(POISONED));
    append(&store, &poisoned, 1, |stream| orders::created(stream, 5)).await;
    append(&store, &poisoned, 2, |_| orders::unreadable()).await;
    for alert in ["WaybillStreamsParked", "WaybillNotReady", "WaybillViewsLag"] {
        prometheus.until_fires(alert).await;
    }
    assert!(!prometheus.firing().await.contains("WaybillRebuildStuck"), "none is begun");
    let wanted = begin(&system).await;
    prometheus.until_fires("WaybillRebuildStuck").await;
    until("WaybillQueueGrows fires", || async {
        append(&store, &streams(GROWTH), 1, |stream| orders::created(stream, 5)).await;
        prometheus.firing().await.contains("WaybillQueueGrows").then_some(())
    })
    .await;
    prometheus.until_fires("WaybillRebuildStuck").await; // It has not got on.

    park_all(&mut system).await;
    until_live(&system.own.redis().await, &wanted).await;
    prometheus.until_only(&["WaybillStreamsParked"]).await;
    let known: Parked = poisoned.into_iter().map(|stream| (stream, 2)).collect();
    let (commands, queries) = (&system.commands[0].client, &system.queries.client);
    let report = waybill::verify::check_but(&known, commands, queries, CATCHING_UP).await.unwrap();
    assert!(report.quiet && report.differences.is_empty(), "{report:#?}");
    system.until_queues_are_empty().await;
    drop(prometheus);
    system.remove().await;
}
