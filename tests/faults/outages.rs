//! Servers that go away and come back, services that are killed.

use std::time::Duration;

use kernel::log::Entry;
use shared::event_store::EventStore as _;
use shared::event_store::mongodb::MongoDb;
use shared::messaging::rabbitmq::RabbitMq;
use shared::view_store::GenerationId;
use tests::load::{drive, plan};
use tests::services::{System, Urls};
use waybill::load::Plan;
use xtask::servers::Servers;

/// For what takes a few deadlines of calls to the broker.
const LONG: Duration = Duration::from_secs(180);

/// For a hole to be sealed, whatever the broker does: a second from when it is seen.
const SEALED: Duration = Duration::from_secs(3);

fn private() -> (Servers, Urls) {
    let servers = Servers::start().expect("private servers start");
    let urls = Urls::of(&servers);
    (servers, urls)
}

/// A load in the background, at a rate that leaves room for faults in its midst.
pub fn load(system: &System, commands: usize) -> tokio::task::JoinHandle<()> {
    let client = system.commands[0].client.clone();
    let plan = Plan { rate: 200, ..plan(commands) };
    tokio::spawn(async move { drive(&plan, &client).await })
}

async fn head(system: &System) -> Option<i64> {
    system.commands[0].client.get("/events?limit=1").await.ok()?["head"].as_i64()
}

/// Waits until the load has got on: what was broken is mended, and the next fault comes in its
/// midst.
pub async fn until_more_is_written(system: &System) {
    let before = tests::until("the log answers", || head(system)).await;
    tests::until("more is written", || async {
        head(system).await.filter(|head| *head >= before + 50)
    })
    .await;
}

#[derive(Debug, Clone, Copy)]
pub enum Server {
    MongoDb,
    RabbitMq,
    Redis,
}

/// Waits until a service says that it misses the server.
pub async fn until_missed(system: &System, server: Server) {
    let commands = &system.commands[0];
    tests::until(&format!("{server:?} is missed"), || async {
        let missed = match server {
            Server::MongoDb => head(system).await.is_none(),
            Server::RabbitMq => !commands.is_ready().await,
            Server::Redis => !system.queries.is_ready().await,
        };
        missed.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_start_before_their_servers_and_go_on_when_servers_are_killed_and_restarted() {
    let (mut servers, urls) = private();
    // Services first: they wait, and say for what.
    servers.mongodb.process.kill();
    servers.redis.process.kill();
    servers.rabbitmq.process.kill();
    let start = |name| tests::services::Service::start(name, "waybill", &urls);
    let (commands, projector, queries) =
        (start("command-api"), start("projector"), start("query-api"));
    for (service, waits) in [(&commands, "mongodb"), (&projector, "mongodb"), (&queries, "redis")] {
        let told = tests::until("it says what it waits for", || async {
            let answer = service.client.send(http::Method::GET, "/readyz", &[], "").await.ok()?;
            (answer.status.as_u16() == 503).then(|| answer.json().unwrap())
        })
        .await;
        assert!(told["waiting"].get(waits).is_some(), "{told}");
    }
    servers.redis.restart().unwrap();
    servers.mongodb.restart().unwrap();
    servers.rabbitmq.restart().unwrap();
    let system = System {
        own: Default::default(),
        commands: vec![commands],
        projectors: vec![projector],
        queries,
    };
    system.until_ready().await;
    let load = load(&system, 3_000);
    until_more_is_written(&system).await;
    servers.mongodb.process.kill();
    until_missed(&system, Server::MongoDb).await;
    servers.mongodb.restart().unwrap();
    until_more_is_written(&system).await;
    servers.redis.process.kill();
    until_missed(&system, Server::Redis).await;
    servers.redis.restart().unwrap();
    until_more_is_written(&system).await;
    servers.rabbitmq.process.kill();
    until_missed(&system, Server::RabbitMq).await;
    servers.rabbitmq.restart().unwrap();
    load.await.unwrap();
    system.verify().await;
    system.until_ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_are_killed_at_any_moment_lose_nothing() {
    let mut system = System::start(&Urls::of_the_run(), 1, 2).await;
    let load = load(&system, 2_000);
    for round in 0..6 {
        until_more_is_written(&system).await;
        let service = match round % 3 {
            0 => &mut system.commands[0],
            1 => &mut system.projectors[round % 2],
            _ => &mut system.queries,
        };
        service.process.kill();
        service.restart();
    }
    load.await.unwrap();
    system.until_ready().await;
    system.verify().await;
    system.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flushed_redis_is_made_again_from_the_log() {
    let (servers, urls) = private();
    let system = System::start(&urls, 1, 2).await;
    drive(&plan(500), &system.commands[0].client).await;
    let mut redis = ::redis::Client::open(servers.redis.url())
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    ::redis::cmd("FLUSHALL").query_async::<()>(&mut redis).await.unwrap();
    drive(&plan(500), &system.commands[0].client).await;
    tests::until("there are views again", || async {
        system.queries.client.get("/stats").await.ok().map(|_| ())
    })
    .await;
    system.verify().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_broker_takes_nothing_the_views_follow_the_log_and_then_it_gets_everything() {
    let (servers, urls) = private();
    let system = System::start(&urls, 1, 1).await;
    let store = MongoDb::connect(&urls.mongodb, &system.own.namespace).await.unwrap();
    let log = store.log_id().await.unwrap();
    servers.rabbitmq.alarm(true).unwrap();
    load(&system, 300).await.unwrap();
    system.verify().await;
    let head = store.head().await.unwrap();
    let confirmed = store.relay_checkpoint(&log).await.unwrap();
    assert!(confirmed < head, "{confirmed} of {head} were confirmed");
    // A hole is sealed all the same: the healer would wait there.
    store.insert(&[Entry::Tombstone(head + 2)]).await.unwrap();
    let head = head + 2;
    tests::within(SEALED, "the hole is sealed", || async {
        (store.read_positions(head - 2, 10).await.unwrap() == [head - 1, head]).then_some(())
    })
    .await;
    assert!(store.relay_checkpoint(&log).await.unwrap() < head - 2, "while nothing is published");
    servers.rabbitmq.alarm(false).unwrap();
    tests::until("everything is confirmed", || async {
        (store.relay_checkpoint(&log).await.unwrap() == head).then_some(())
    })
    .await;
    system.until_ready().await;
    system.verify().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_the_broker_no_longer_serves_is_made_anew() {
    let (servers, urls) = private();
    let system = System::start(&urls, 1, 2).await;
    load(&system, 300).await.unwrap();
    let generations = system.projectors[0].get("/generations").await;
    let generation = generations["items"][0]["id"].as_str().unwrap();
    servers.rabbitmq.break_queue(&format!("{}.views.{generation}", system.own.namespace)).unwrap();
    load(&system, 300).await.unwrap();
    let store = MongoDb::connect(&urls.mongodb, &system.own.namespace).await.unwrap();
    let (log, head) = (store.log_id().await.unwrap(), store.head().await.unwrap());
    tests::within(LONG, "everything is confirmed", || async {
        (store.relay_checkpoint(&log).await.unwrap() == head).then_some(())
    })
    .await;
    system.until_ready().await;
    system.verify().await;
}

/// The views are lost, and with them the description of the generation that the queue is of.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_holds_up_the_exchange_is_deleted_though_its_views_are_lost() {
    let (servers, urls) = private();
    let mut system = System::start(&urls, 1, 1).await;
    load(&system, 300).await.unwrap();
    let generations = system.projectors[0].get("/generations").await;
    let lost = GenerationId::stored(generations["items"][0]["id"].as_str().unwrap());
    let queue = lost.queue(&system.own.namespace);
    // No worker is there that would notice it.
    system.projectors[0].process.kill();
    let redis = ::redis::Client::open(servers.redis.url()).unwrap();
    let mut redis = redis.get_multiplexed_async_connection().await.unwrap();
    ::redis::cmd("FLUSHALL").query_async::<()>(&mut redis).await.unwrap();
    servers.rabbitmq.break_queue(&queue).unwrap();
    load(&system, 50).await.unwrap();
    let broker = RabbitMq::new(&urls.rabbitmq, &system.own.namespace);
    tests::within(LONG, "the queue is gone", || async {
        broker.waiting(&queue).await.unwrap().is_none().then_some(())
    })
    .await;
    system.projectors[0].restart();
    system.until_ready().await;
    system.verify().await;
    let store = MongoDb::connect(&urls.mongodb, &system.own.namespace).await.unwrap();
    let left = store.queues().await.unwrap();
    assert_eq!(left.len(), 1, "the lost queue is forgotten: {left:?}");
    assert_ne!(left[0], queue);
}

/// A short selection of `cargo xtask torture`.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_killed_frozen_or_flushed_nothing_is_lost_or_made_up() {
    let report = tests::torture::run(Duration::from_secs(120), 1, "").await;
    println!("{report:#?}");
    assert!(report.violations.is_empty(), "{report:#?}");
    assert!(report.acknowledged > 100, "{report:#?}");
}
