//! Which generation a worker serves, however busy it is.

use std::sync::Arc;

use async_trait::async_trait;
use http::StatusCode;
use kernel::log::{Position, Recorded};
use kernel::projection::JsonProjection;
use kernel::{Result, log::LogId};
use orders::OrderProjection;
use projector::{Dependencies, Operations, Rebuild, admin};
use shared::event_store::EventStore as _;
use shared::feed::{Feed, Feeds};
use shared::http::{Hosts, Limits, serve};
use shared::messaging::dead_letter::{DeadLetter, DeadLetterPage};
use shared::service::health::Health;
use shared::service::slot::ServiceSlot;
use shared::view_store::{Generation, GenerationId, ViewStore as _};
use tests::orders::{created, paid, stream};
use tests::subject::Subject;
use tests::{Own, until};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use waybill::client::Client;

/// Feeds with a backlog that has no end: the same events, again and again, at once.
struct Backlog(Vec<Recorded>);

struct Endless(Vec<Recorded>);

#[async_trait]
impl Feed for Endless {
    async fn next(&mut self, _: usize) -> Result<Vec<Recorded>> {
        Ok(self.0.clone())
    }

    async fn ack(&mut self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl Feeds for Backlog {
    async fn open(&self, _: &Generation) -> Result<()> {
        Ok(())
    }

    async fn subscribe(&self, _: &Generation, _: Position) -> Result<Box<dyn Feed>> {
        Ok(Box::new(Endless(self.0.clone())))
    }

    async fn waiting(&self, _: &Generation) -> Result<Option<u32>> {
        Ok(None)
    }

    async fn close(&self, _: &GenerationId) -> Result<()> {
        Ok(())
    }

    async fn opened(&self) -> Result<Vec<GenerationId>> {
        Ok(vec![])
    }

    async fn dead_letters(&self, _: usize) -> Result<DeadLetterPage> {
        Ok(DeadLetterPage::default())
    }

    async fn find_dead_letter(&self, _: &str) -> Result<Option<DeadLetter>> {
        Ok(None)
    }

    async fn discard_dead_letter(&self, _: &str) -> Result<bool> {
        Ok(false)
    }
}

struct Worker {
    operations: Operations,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Worker {
    async fn start(own: &Own, name: &str, backlog: &[Recorded]) -> Self {
        let worker = projector::Worker::new(Dependencies {
            store: Arc::new(own.mongodb().await),
            operation_log: Arc::new(own.mongodb().await),
            views: Arc::new(own.redis().await),
            feeds: Arc::new(Backlog(backlog.to_vec())),
            projection: Arc::new(JsonProjection(OrderProjection)),
            health: Health::of(&["views"]),
            holder: name.to_owned(),
        });
        let (operations, stop) = (worker.operations(), CancellationToken::new());
        Self { operations, task: tokio::spawn(worker.run(stop.clone())), stop }
    }

    /// Waits until it serves a generation other than this one.
    async fn until_it_leaves(&self, old: Option<&GenerationId>) -> GenerationId {
        until("it serves another generation", || async {
            self.operations.served().filter(|served| Some(served) != old)
        })
        .await
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

/// With deliveries always at hand a worker notices a swap only because it looks now and then.
#[tokio::test(flavor = "multi_thread")]
async fn a_swap_is_noticed_by_all_workers_however_much_there_is_to_apply() {
    let own = Own::default();
    let (store, views) = (Arc::new(own.mongodb().await), Arc::new(own.redis().await));
    let subject = Subject::new(store, views.clone()).await;
    let stream = stream();
    let events = subject.append(&stream, 1, &[created(&stream, 9), paid(1)]).await;
    views.remove(&subject.generation).await.unwrap();
    let (one, two) =
        (Worker::start(&own, "one", &events).await, Worker::start(&own, "two", &events).await);
    let first = one.until_it_leaves(None).await;
    assert_eq!(two.until_it_leaves(None).await, first);
    assert!(matches!(one.operations.begin_rebuild("ops").await.unwrap(), Rebuild::Begun(_)));
    let second = one.until_it_leaves(Some(&first)).await;
    assert_eq!(two.until_it_leaves(Some(&first)).await, second);
    assert_eq!(views.live().await.unwrap().unwrap().id, second);
    for worker in [one, two] {
        worker.stop().await;
    }
    own.remove().await;
}

/// The feed brings something else all the time: what is appended reaches the views by the healer.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_healer_repaired_is_told() {
    let own = Own::default();
    let (store, views) = (Arc::new(own.mongodb().await), Arc::new(own.redis().await));
    let subject = Subject::new(store, views.clone()).await;
    let other = stream();
    let events = subject.append(&other, 1, &[created(&other, 9)]).await;
    views.remove(&subject.generation).await.unwrap();
    let worker = Worker::start(&own, "one", &events).await;
    worker.until_it_leaves(None).await;
    let lost = stream();
    let last = subject.append(&lost, 1, &[created(&lost, 9), paid(1)]).await[1].position;
    let flow = until("the checkpoint passes what was lost", || async {
        let flow = worker.operations.flow().await.unwrap();
        (flow.checkpoint == Some(last)).then_some(flow)
    })
    .await;
    assert_eq!((flow.head, flow.repaired_here), (last, 1), "{flow:?}");
    assert_eq!((flow.published, flow.waiting), (Some(0), None), "no relay, and no queue");
    worker.stop().await;
    own.remove().await;
}

async fn post(operations: &Operations, path: &str) -> StatusCode {
    let slot = ServiceSlot::default();
    slot.fill(operations.clone());
    let (routes, _) = admin::routes(slot, Health::default(), None);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(&format!("http://{}", listener.local_addr().unwrap()));
    let stop = CancellationToken::new();
    let served =
        tokio::spawn(serve(listener, routes, Hosts::default(), Limits::default(), stop.clone()));
    let answer = client.post(path, &[], "").await.unwrap();
    stop.cancel();
    served.await.unwrap();
    answer.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_of_other_views_neither_makes_nor_repairs_the_live_ones() {
    let own = Own::default();
    let views = own.redis().await;
    let log = own.mongodb().await.log_id().await.unwrap();
    let version = orders_version();
    let live = Generation::new(log.clone(), version + 1);
    assert!(views.begin(&live).await.unwrap() && views.promote(None, &live.id).await.unwrap());
    let older = Worker::start(&own, "older", &[]).await;
    for path in ["/rebuild", "/parked/order-x/retry"] {
        assert_eq!(post(&older.operations, path).await, StatusCode::SERVICE_UNAVAILABLE, "{path}");
    }
    assert_eq!(views.building().await.unwrap(), None);
    older.stop().await;
    own.remove().await;
}

fn orders_version() -> u32 {
    use kernel::projection::ErasedProjection as _;
    JsonProjection(OrderProjection).version()
}

/// What was begun by a worker that is gone does not stand in the way for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_generation_that_can_not_be_made_any_more_is_discarded() {
    let own = Own::default();
    let views = own.redis().await;
    let worker = Worker::start(&own, "one", &[]).await;
    let live = worker.until_it_leaves(None).await;
    let log = own.mongodb().await.log_id().await.unwrap();
    for wedge in [
        Generation::new(log, orders_version() - 1),
        Generation::new(LogId::random(), orders_version()),
    ] {
        assert!(views.begin(&wedge).await.unwrap());
        until("it is discarded", || async {
            views.building().await.unwrap().is_none().then_some(())
        })
        .await;
    }
    assert_eq!(views.live().await.unwrap().unwrap().id, live);
    // Its keys go first, then its description.
    until("only the live one is described", || async {
        (views.generations().await.unwrap().len() == 1).then_some(())
    })
    .await;
    worker.stop().await;
    own.remove().await;
}
