//! The alerts of `observe/rules` in a real Prometheus, on real services: each fault that an operator must
//! know of makes its alert fire, and in a quiet run none does.

use kernel::log::{Entry, StreamName};
use shared::event_store::EventStore as _;
use tests::orders;
use tests::prometheus::Prometheus;
use tests::servers::publish;
use tests::services::{System, Urls};
use tests::until;
use xtask::servers::Servers;

async fn watched(system: &System) -> Prometheus {
    let services = [
        ("command-api", &system.commands[0].client),
        ("projector", &system.projectors[0].client),
        ("query-api", &system.queries.client),
    ];
    Prometheus::start(&services).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_fires_in_a_quiet_run_and_what_can_not_be_applied_is_told() {
    let system = System::start(&Urls::of_the_run(), 1, 1).await;
    let (commands, projector) = (system.commands[0].api(), &system.projectors[0]);
    let id = commands.create_lamp(5).await.order_id();
    let prometheus = watched(&system).await;
    assert!(commands.pay(id, 5).await.is_success());
    assert_eq!(prometheus.firing().await, Default::default());
    let recorded = prometheus.query("waybill:commands:rate1m{outcome=\"accepted\"}").await;
    assert_eq!(recorded.len(), 1, "the recording rules work");

    let store = system.own.mongodb().await;
    let position = store.head().await.unwrap() + 1;
    let poison = orders::commit(position, &StreamName::new("order", id), 3, &orders::unreadable());
    store.insert(&[Entry::Commit(poison)]).await.unwrap();
    prometheus.until_fires("WaybillStreamsParked").await;

    let generation = until("a generation is live", || async {
        let all = projector.get("/generations").await;
        all["items"][0]["id"].as_str().map(str::to_owned)
    })
    .await;
    let queue = format!("{}.views.{generation}", system.own.namespace);
    publish(&queue, &[b"no event"]).await;
    prometheus.until_fires("WaybillDeadLetters").await;
    let letters = projector.get("/dead-letters").await;
    let id = letters["items"][0]["id"].as_str().unwrap();
    let path = format!("/dead-letters/{id}");
    let discarded = projector.client.send(http::Method::DELETE, &path, &[], "").await.unwrap();
    assert!(discarded.status.is_success());
    until("the alert ends", || async {
        (!prometheus.firing().await.contains("WaybillDeadLetters")).then_some(())
    })
    .await;
    assert_eq!(prometheus.firing().await, ["WaybillStreamsParked".to_owned()].into());
    drop(prometheus);
    system.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_and_services_that_are_away_are_told_and_their_return_too() {
    let mut servers = Servers::start().expect("private servers start");
    let mut system = System::start(&Urls::of(&servers), 1, 1).await;
    let commands = system.commands[0].api();
    let prometheus = watched(&system).await;

    servers.rabbitmq.process.kill();
    let id = commands.create_lamp(5).await.order_id(); // Commands are taken all the same.
    prometheus.until_fires("WaybillRelayLag").await;
    servers.rabbitmq.restart().unwrap();
    system.until_ready().await;
    prometheus.until_quiet().await;

    system.projectors[0].process.kill();
    commands.create_lamp(5).await;
    for alert in ["WaybillServiceDown", "WaybillViewsLag", "WaybillViewsStale"] {
        prometheus.until_fires(alert).await;
    }
    assert!(prometheus.firing().await.contains("WaybillHealerMissing"));
    system.projectors[0].restart();
    prometheus.until_quiet().await;

    servers.mongodb.process.kill();
    prometheus.until_fires("WaybillMongoDBAway").await;
    assert_eq!(commands.pay(id, 5).await.status, 503);
    prometheus.until_fires("WaybillCommandsFail").await;
    servers.mongodb.restart().unwrap();
    system.until_ready().await;
    prometheus.until_quiet().await;

    servers.redis.process.kill();
    prometheus.until_fires("WaybillRedisAway").await;
    servers.redis.restart().unwrap();
    prometheus.until_quiet().await;
}
