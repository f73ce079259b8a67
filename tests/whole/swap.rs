//! Views that go live while much waits in the queue of those that they replace.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use kernel::log::{Commit, Entry};
use serde_json::json;
use shared::event_store::EventStore as _;
use shared::messaging::cloud_event::{CloudEvent, source};
use shared::view_store::redis::Redis;
use shared::view_store::{Generation, GenerationId, ViewStore as _};
use tests::client::OrderClient;
use tests::load::{drive, plan};
use tests::servers::publish_often;
use tests::services::{Service, System, Urls};
use tests::working::projection;
use tests::{Own, until, within};

/// Messages that wait, each with one event.
const BACKLOG: usize = 50_000;
/// For all workers to serve what went live.
const MAX_SWAP: Duration = Duration::from_secs(2);

/// Messages of the first events of the log, as the relay publishes them one by one.
async fn messages(system: &System) -> Vec<Vec<u8>> {
    let store = system.own.mongodb().await;
    let source = source(&system.own.namespace, &store.log_id().await.unwrap());
    let entries = store.read(0, 1_000).await.unwrap();
    let commits: Vec<Commit> = entries.into_iter().filter_map(Entry::into_commit).collect();
    let events = commits.iter().flat_map(|commit| CloudEvent::of_commit(commit, &source));
    events.map(|event| serde_json::to_vec(&event).unwrap()).collect()
}

fn signal(projectors: &[Service], signal: &str) {
    projectors.iter().for_each(|projector| projector.process.signal(signal));
}

/// Asks for an order by its token, without a pause. Returns how often it was answered.
async fn read(reader: OrderClient, path: String, over: Arc<AtomicBool>) -> usize {
    let mut answers = 0;
    while !over.load(Ordering::SeqCst) {
        let answer = reader.get(&path).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        answers += 1;
    }
    answers
}

async fn serves(projector: &Service, generation: &GenerationId) -> bool {
    let all = projector.get("/generations").await;
    let mut items = all["items"].as_array().expect("generations").iter();
    items.any(|one| one["id"] == json!(generation) && one["served_here"] == true)
}

/// Waits until the generation is live, and returns how many messages waited then, or just before.
async fn until_live(own: &Own, views: &Redis, replaced: &GenerationId, next: &GenerationId) -> u32 {
    let broker = own.rabbitmq();
    let (queue, left) = (replaced.queue(&own.namespace), AtomicU32::new(0));
    until("the new views are live", || async {
        if views.live().await.unwrap().is_some_and(|live| live.id == *next) {
            return Some(());
        }
        // After the swap it is deleted.
        if let Some(waiting) = broker.waiting(&queue).await.unwrap() {
            left.store(waiting, Ordering::SeqCst);
        }
        None
    })
    .await;
    left.into_inner()
}

/// The workers stand still until the messages wait: they have applied what these bring, and are slow only for
/// want of time.
#[tokio::test(flavor = "multi_thread")]
async fn all_workers_serve_what_goes_live_within_two_seconds_although_50_000_messages_wait() {
    let more = [("WAYBILL_EVENTS_PER_MESSAGE".to_owned(), "1".to_owned())];
    let system = System::start_with(&Urls::of_the_run(), &more, 1, 2).await;
    let commands = system.commands[0].api();
    drive(&plan(300), &system.commands[0].client).await;
    let created = commands.create_lamp(5).await;
    system.verify().await;
    let views = system.own.redis().await;
    let first = views.live().await.unwrap().expect("live views");
    let messages = messages(&system).await;
    signal(&system.projectors, "STOP");
    publish_often(&first.id.queue(&system.own.namespace), &messages, BACKLOG).await;
    // As it is done where an operator asks a worker for it.
    let next = Generation::new(first.log.clone(), projection());
    assert!(views.begin(&next).await.unwrap());
    let over = Arc::new(AtomicBool::new(false));
    let reader = system.queries.api().with_token(created.token()).waiting(30);
    let reading = tokio::spawn(read(reader, created.location().to_owned(), over.clone()));
    signal(&system.projectors, "CONT");
    let left = until_live(&system.own, &views, &first.id, &next.id).await;
    within(MAX_SWAP, "all workers serve the new views", || async {
        for projector in &system.projectors {
            if !serves(projector, &next.id).await {
                return None;
            }
        }
        Some(())
    })
    .await;
    assert!(left > 0, "they went live only after the backlog");
    over.store(true, Ordering::SeqCst);
    assert!(reading.await.unwrap() > 0, "tokens are answered all along");
    let late = commands.create_lamp(5).await;
    let reader = system.queries.api().with_token(late.token()).waiting(30);
    assert_eq!(reader.get(late.location()).await.status, 200);
    system.verify().await;
    system.until_queues_are_empty().await;
    system.remove().await;
}
