//! What does not get into the views.

use kernel::log::{Entry, StreamName};
use shared::event_store::EventStore as _;
use tests::orders;
use tests::servers::publish;
use tests::services::{System, Urls};
use tests::until;
use uuid::Uuid;

use super::watched;

/// The queue of the live views.
async fn queue(system: &System) -> String {
    let generation = until("a generation is live", || async {
        let all = system.projectors[0].get("/generations").await;
        all["items"][0]["id"].as_str().map(str::to_owned)
    })
    .await;
    format!("{}.views.{generation}", system.own.namespace)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_fires_in_a_quiet_run_and_what_can_not_be_applied_is_told() {
    let system = System::start(&Urls::of_the_run(), 1, 1).await;
    let (commands, projector) = (system.commands[0].api(), &system.projectors[0]);
    let id = commands.create_lamp(5).await.order_id();
    let prometheus = watched(&system).await;
    assert!(commands.pay(id, 5).await.is_success());
    assert_eq!(prometheus.firing().await, Default::default());
    for service in system.all() {
        assert!(!service.output().contains("ERROR"), "{}", service.output());
    }
    let recorded = prometheus.query("waybill:commands:rate1m{outcome=\"accepted\"}").await;
    assert_eq!(recorded.len(), 1, "the recording rules work");

    let store = system.own.mongodb().await;
    let position = store.head().await.unwrap() + 1;
    let poison = orders::commit(position, &StreamName::new("order", id), 3, &orders::unreadable());
    store.insert(&[Entry::Commit(poison)]).await.unwrap();
    prometheus.until_fires("WaybillStreamsParked").await;

    publish(&queue(&system).await, &[b"no event"]).await;
    prometheus.until_fires("WaybillDeadLetters").await;
    let letters = projector.get("/dead-letters").await;
    let id = letters["items"][0]["id"].as_str().unwrap();
    let path = format!("/dead-letters/{id}");
    let discarded = projector.client.send(http::Method::DELETE, &path, &[], "").await.unwrap();
    assert!(discarded.status.is_success());
    prometheus.until_over("WaybillDeadLetters").await;
    prometheus.until_only(&["WaybillStreamsParked"]).await;
    drop(prometheus);
    system.remove().await;
}

/// With their queue, which a worker makes again.
#[tokio::test(flavor = "multi_thread")]
async fn messages_that_are_lost_are_told_when_the_views_are_repaired() {
    let mut system = System::start(&Urls::of_the_run(), 1, 1).await;
    let queue = queue(&system).await;
    let prometheus = watched(&system).await;
    system.projectors[0].process.kill();
    let creates: Vec<_> = (0..30).map(|_| orders::to(Uuid::new_v4(), orders::create(5))).collect();
    assert!(system.commands[0].api().batch(&creates).await.is_success());
    system.until_relayed().await;
    system.own.rabbitmq().delete(&queue).await.unwrap();
    system.projectors[0].restart();
    prometheus.until_fires("WaybillViewsRepaired").await;
    let lagged = prometheus.query("max_over_time(waybill_healer_lag_seconds[1m]) > 1").await;
    assert_eq!(lagged.len(), 1, "it was told for how long they were missing");
    prometheus.until_quiet().await;
    system.verify().await;
    drop(prometheus);
    system.remove().await;
}
