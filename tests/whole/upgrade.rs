//! A rolling upgrade: workers of two projections side by side.

use std::sync::Arc;

use command_api::write::Writer;
use kernel::log::Recorded;
use kernel::projection::{Change, ErasedProjection, JsonProjection, Stored, Unprojectable};
use kernel::views::Batch;
use orders::{OrderAggregate, OrderProjection};
use projector::Dependencies;
use shared::feed::queue::Queues;
use shared::service::health::Health;
use shared::view_store::ViewStore as _;
use shared::view_store::redis::Redis;
use tests::relaying::Relaying;
use tests::requests::request;
use tests::{Own, until};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The projection of orders under a version of its own.
struct Numbered(u32);

impl ErasedProjection for Numbered {
    fn version(&self) -> u32 {
        self.0
    }

    fn project(
        &self,
        stored: Option<&Stored>,
        events: &[Recorded],
    ) -> Result<Change, Unprojectable> {
        JsonProjection(OrderProjection).project(stored, events)
    }
}

struct Worker {
    health: Health,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Worker {
    async fn start(own: &Own, projection: u32) -> Self {
        let (health, stop) = (Health::of(&["views"]), CancellationToken::new());
        let worker = projector::Worker::new(Dependencies {
            store: Arc::new(own.mongodb().await),
            operation_log: Arc::new(own.mongodb().await),
            views: Arc::new(own.redis().await),
            feeds: Arc::new(Queues::new(
                own.rabbitmq(),
                own.mongodb().await,
                own.namespace.clone(),
            )),
            projection: Arc::new(Numbered(projection)),
            health: health.clone(),
            holder: format!("{projection}-{}", Uuid::new_v4()),
        });
        Self { health, task: tokio::spawn(worker.run(stop.clone())), stop }
    }

    async fn until_ready(&self) {
        until("the worker serves", || async { self.health.waiting().is_empty().then_some(()) })
            .await;
    }

    async fn until_outdated(&self) {
        until("it leaves newer views alone", || async {
            let waiting = self.health.waiting();
            waiting.get("views").is_some_and(|why| why.contains("newer")).then_some(())
        })
        .await;
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

async fn orders(views: &Redis) -> Option<i64> {
    let live = views.live().await.unwrap()?;
    let mut batch = Batch::new();
    let records = batch.records(vec!["stats".to_owned()]);
    let records = views.read(&live.id, &batch).await.unwrap().answers.take(records).unwrap();
    records[0].get("orders")?.parse().ok()
}

async fn create(writer: &Writer<OrderAggregate>, count: usize) {
    for _ in 0..count {
        writer
            .submit(request(tests::orders::create(5), Uuid::new_v4(), None))
            .await
            .unwrap()
            .unwrap();
    }
}

/// There are views at every moment, and their projection only gets newer.
async fn watch(views: Redis, over: CancellationToken) -> usize {
    let (mut looks, mut version) = (0, 0);
    while !over.is_cancelled() {
        let live = views.live().await.unwrap().expect("always some views");
        assert!(live.projection >= version, "from {version} back to {}", live.projection);
        version = live.projection;
        looks += 1;
    }
    looks
}

#[tokio::test(flavor = "multi_thread")]
async fn a_higher_projection_version_replaces_the_views_while_older_workers_serve() {
    let own = Own::default();
    let (views, relay) = (own.redis().await, Relaying::start(&own).await);
    let (writer, scheduler) =
        Writer::<OrderAggregate>::start(Arc::new(own.mongodb().await), Health::default());
    let old = Worker::start(&own, 1).await;
    old.until_ready().await;
    create(&writer, 200).await;
    until("the views show them", || async { orders(&views).await.filter(|it| *it == 200) }).await;
    let over = CancellationToken::new();
    let watching = tokio::spawn(watch(views.clone(), over.clone()));
    let new = Worker::start(&own, 2).await;
    create(&writer, 100).await;
    new.until_ready().await;
    assert_eq!(views.live().await.unwrap().unwrap().projection, 2);
    old.until_outdated().await;
    create(&writer, 100).await;
    until("the new views show all", || async { orders(&views).await.filter(|it| *it == 400) })
        .await;
    over.cancel();
    assert!(watching.await.unwrap() > 0);
    old.stop().await;
    let late = Worker::start(&own, 1).await;
    late.until_outdated().await;
    assert_eq!(views.live().await.unwrap().unwrap().projection, 2);
    assert!(views.building().await.unwrap().is_none(), "it asks for nothing");
    late.stop().await;
    drop(writer);
    scheduler.await.unwrap();
    relay.stop().await;
    new.stop().await;
    own.remove().await;
}
