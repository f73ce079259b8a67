//! What services tell of themselves while servers hang or are away, and while the views are behind.

use std::time::Duration;

use http::Method;
use tests::proxy::{Proxies, Proxy};
use tests::services::{Service, System, Urls};
use tests::{Own, until, within};
use xtask::servers::{Process, Servers};

/// The status of a probe, and what it tells.
async fn probe(service: &Service, path: &str) -> (u16, String) {
    let answer = service.client.send(Method::GET, path, &[], "").await.expect("an answer");
    (answer.status.as_u16(), String::from_utf8_lossy(&answer.body).into_owned())
}

/// Waits until the service waits for this part, and is alive all the same.
async fn until_waiting(service: &Service, part: &str) {
    until(&format!("{part} is missed"), || async {
        let (status, told) = probe(service, "/readyz").await;
        (status == 503 && told.contains(&format!("\"{part}\":"))).then_some(())
    })
    .await;
    assert_eq!(probe(service, "/livez").await.0, 200, "no restart brings back a server");
}

/// The relay asks every 5 s, and waits for 5 s; the rest is for a busy machine.
const BROKER_MISSED: Duration = Duration::from_secs(25);

/// Nothing is published: the broker is missed all the same.
async fn hangs_and_is_missed_without_a_command(broker: &Process, system: &System) {
    let commands = &system.commands[0];
    broker.signal("STOP");
    let missed = || async { (probe(commands, "/readyz").await.0 == 503).then_some(()) };
    within(BROKER_MISSED, "the broker is missed", missed).await;
    let (_, told) = probe(commands, "/readyz").await;
    assert!(told.contains("\"relay\":") && !told.contains("\"mongodb\":"), "{told}");
    assert_eq!(probe(commands, "/livez").await.0, 200, "no restart brings back a server");
    resume(broker);
    system.until_ready().await;
}

fn resume(process: &Process) {
    process.signal("CONT");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_told_by_readyz_and_ends_no_liveness() {
    let servers = Servers::start().expect("private servers start");
    let system = System::start(&Urls::of(&servers), 1, 1).await;
    let (commands, projector) = (&system.commands[0], &system.projectors[0]);
    hangs_and_is_missed_without_a_command(&servers.rabbitmq.process, &system).await;
    servers.mongodb.process.signal("STOP");
    until_waiting(commands, "mongodb").await;
    until_waiting(projector, "mongodb").await;
    resume(&servers.mongodb.process);
    system.until_ready().await;
    servers.redis.process.signal("STOP");
    until_waiting(&system.queries, "redis").await;
    until_waiting(projector, "redis").await;
    assert_eq!(probe(commands, "/readyz").await.0, 200, "it does not use Redis");
    resume(&servers.redis.process);
    system.until_ready().await;
    let (_, told) = probe(commands, "/readyz").await;
    assert!(told.contains("relay: this process relays the log"), "{told}");
    assert!(told.contains("behind the log: exchange 0 commits"), "{told}");
}

/// It serves nothing yet, and asks MongoDB nothing but this.
#[tokio::test(flavor = "multi_thread")]
async fn a_projector_that_finds_no_redis_misses_mongodb_all_the_same() {
    let (own, proxies) = (Own::default(), Proxies::before(&Urls::of_the_run()));
    proxies.redis.refuse();
    let projector = Service::start("projector", own.namespace.as_str(), &proxies.urls());
    projector.until_listening().await;
    until("it misses Redis alone", || async {
        let (_, told) = probe(&projector, "/readyz").await;
        (told.contains("\"redis\":") && !told.contains("\"mongodb\":")).then_some(())
    })
    .await;
    proxies.mongodb.refuse();
    until_waiting(&projector, "mongodb").await;
    proxies.all().into_iter().for_each(Proxy::resume);
    projector.until_ready().await;
    projector.process.stop();
    own.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views_that_are_behind_take_only_those_out_of_rotation_that_are_told_to() {
    let mut system = System::start(&Urls::of_the_run(), 1, 1).await;
    let mut strict =
        Service::start("query-api", system.own.namespace.as_str(), &Urls::of_the_run());
    strict.until_ready().await;
    strict.process.stop();
    strict.restart_with(&[("WAYBILL_READY_MAX_LAG", "5s")]);
    strict.until_ready().await;
    let (_, told) = probe(&strict, "/readyz").await;
    assert!(told.contains("the views hold what was recorded up to"), "{told}");
    system.projectors[0].process.kill();
    system.commands[0].api().create_lamp(5).await;
    until_waiting(&strict, "views").await;
    assert!(system.queries.is_ready().await, "it has no bound");
    until("command-api tells how far the views are behind", || async {
        let (_, told) = probe(&system.commands[0], "/readyz").await;
        told.contains("views 1 commits").then_some(())
    })
    .await;
    system.projectors[0].restart();
    strict.until_ready().await;
    strict.process.stop();
    system.remove().await;
}
