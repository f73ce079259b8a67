//! Servers and services that are away, or hang.

use std::time::Duration;

use tests::orders;
use tests::proxy::Proxies;
use tests::services::{System, Urls};
use tests::stores::TempDir;
use tests::{let_pass, until};
use uuid::Uuid;
use xtask::servers::Servers;

use super::watched;

#[tokio::test(flavor = "multi_thread")]
async fn servers_and_services_that_are_away_are_told_and_their_return_too() {
    let mut servers = Servers::start().expect("private servers start");
    let mut system = System::start(&Urls::of(&servers), 1, 1).await;
    let commands = system.commands[0].api();
    let prometheus = watched(&system).await;

    servers.rabbitmq.process.kill();
    let id = commands.create_lamp(5).await.order_id(); // Commands are taken all the same.
    for alert in ["WaybillRelayLag", "WaybillNotReady"] {
        prometheus.until_fires(alert).await;
    }
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

    // It comes back with what it held before these orders.
    let aside = TempDir::default();
    servers.redis.copy(&aside.0).unwrap();
    let creates: Vec<_> = (0..30).map(|_| orders::to(Uuid::new_v4(), orders::create(5))).collect();
    assert!(commands.batch(&creates).await.is_success());
    system.verify().await;
    servers.redis.process.kill();
    prometheus.until_fires("WaybillRedisAway").await;
    let queries = system.queries.api();
    until("WaybillHTTPErrors fires", || async {
        assert_eq!(queries.get("/stats").await.status, 503);
        prometheus.firing().await.contains("WaybillHTTPErrors").then_some(())
    })
    .await;
    servers.redis.restart_from(&aside.0).unwrap();
    prometheus.until_fires("WaybillViewsRepaired").await;
    prometheus.until_quiet().await;
    system.verify().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_and_services_that_hang_are_told_like_those_that_are_gone() {
    let servers = Servers::start().expect("private servers start");
    let system = System::start(&Urls::of(&servers), 1, 1).await;
    let commands = system.commands[0].api();
    let prometheus = watched(&system).await;

    for (process, alert, labels) in [
        (&servers.mongodb.process, "WaybillMongoDBAway", r#"job="command-api""#),
        (&servers.redis.process, "WaybillRedisAway", r#"job="query-api""#),
        // Without a command; a projector misses it as well.
        (&servers.rabbitmq.process, "WaybillNotReady", r#"job="command-api", part="relay""#),
        (&system.commands[0].process, "WaybillServiceDown", r#"job="command-api""#),
        (&system.projectors[0].process, "WaybillServiceDown", r#"job="projector""#),
    ] {
        process.signal("STOP");
        prometheus.until_fires_with(alert, labels).await;
        process.signal("CONT");
        system.until_ready().await;
        prometheus.until_quiet().await;
    }

    servers.rabbitmq.alarm(true).unwrap();
    assert!(commands.create_lamp(5).await.is_success(), "commands are taken all the same");
    prometheus.until_fires("WaybillRelayLag").await;
    servers.rabbitmq.alarm(false).unwrap();
    prometheus.until_quiet().await;

    // As when its container is stopped, and its name with it.
    prometheus.lose("query-api");
    prometheus.until_fires("WaybillServiceMissing").await;
    assert!(!prometheus.firing().await.contains("WaybillServiceDown"));
    prometheus.find("query-api", &system.queries.client);
    prometheus.until_quiet().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_slow_is_told() {
    let proxies = Proxies::before(&Urls::of_the_run());
    let system = System::start(&proxies.urls(), 1, 1).await;
    let commands = system.commands[0].api();
    let prometheus = watched(&system).await;
    until("WaybillAppendSlow fires", || async {
        proxies.mongodb.withhold();
        let (created, ()) = tokio::join!(commands.create_lamp(5), async {
            let_pass(Duration::from_millis(700)).await;
            proxies.mongodb.resume();
        });
        assert!(created.is_success());
        prometheus.firing().await.contains("WaybillAppendSlow").then_some(())
    })
    .await;
    prometheus.until_quiet().await;
    drop(prometheus);
    system.remove().await;
}
