//! Changes as they happen, from the command to the event.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::{Value, json};
use tests::client::OrderClient;
use tests::descriptions::{assert_fits, openapi, schema_in};
use tests::embedded::Embedded;
use tests::live::LiveClient;
use tests::load::{drive, plan};
use tests::servers;
use tests::services::{Service, System, Urls};
use tests::stores::TempDir;
use tests::until;
use waybill::client::Client;

/// What every system does, whatever it is made of.
async fn a_command_is_told_and_a_client_resumes(commands: &Client, queries: &Client) {
    let api = OrderClient::new(commands);
    let mut live = LiveClient::open(queries, "/live", None).await;
    let created = api.create_lamp(500).await;
    let told = live.next("view").await;
    assert_eq!(told.data["view"]["order_id"], created.json()["order_id"]);
    assert_eq!((told.data["version"].as_i64(), created.version()), (Some(1), 1));
    assert!(live.next("checkpoint").await.data["lag_ms"].is_i64());
    drop(live);
    assert!(api.pay(created.order_id(), 500).await.is_success());
    let path = format!("/live?data=none&status=paid&order_id={}", created.order_id());
    let mut live = LiveClient::open(queries, &path, Some(&told.id)).await;
    let told = live.next("view").await;
    assert_eq!(told.data["version"].as_i64(), Some(2));
    assert!(told.data.get("view").is_none());
    assert!(api.ship(created.order_id()).await.is_success());
    drive(&plan(1_000), commands).await; // The client is told of none of these.
    a_client_that_takes_little_is_told_how_much_it_missed(commands, queries).await;
    for (path, detail) in [
        ("/live?data=all", "data"),
        ("/live?sort=up", "sort"),
        ("/live?max_per_second=0", "max_per_second"),
        ("/live?max_per_second=10001", "max_per_second"),
    ] {
        let refused = OrderClient::new(queries).get(path).await;
        assert_eq!((refused.status, refused.problem().as_str()), (400, "malformed"), "{detail}");
    }
}

async fn a_client_that_takes_little_is_told_how_much_it_missed(
    commands: &Client,
    queries: &Client,
) {
    let started = Instant::now();
    let mut live = LiveClient::open(queries, "/live?data=none&max_per_second=2", None).await;
    drive(&plan(1_000), commands).await;
    let (mut told, mut skipped) = (0, 0);
    // Of each order one change is told or skipped at least, and none has as many as eight.
    while told + skipped < 1_000 / 8 {
        let event = live.try_next().await.expect("the stream goes on");
        match event.name.as_str() {
            "view" => told += 1,
            "skipped" => skipped += event.data["views"].as_u64().unwrap(),
            _ => {}
        }
    }
    assert!(told <= 2 * (started.elapsed().as_secs() + 2), "{told} told, {skipped} skipped");
    let last = live.next("checkpoint").await;
    drop(live);
    drive(&plan(100), commands).await;
    let path = "/live?max_per_second=2";
    let reset = LiveClient::open(queries, path, Some(&last.id)).await.try_next().await;
    assert_eq!(reset.map(|event| event.name).as_deref(), Some("reset"));
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_told_as_they_happen_embedded() {
    let folder = TempDir::default();
    let system = Embedded::start(&folder).await;
    a_command_is_told_and_a_client_resumes(&system.commands, &system.queries).await;
    let _open = LiveClient::open(&system.queries, "/live", None).await;
    system.stop().await; // An open stream does not hold up the end.
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_told_as_they_happen_and_ids_outlive_query_api() {
    let mut system = System::start(&Urls::of_the_run(), 1, 2).await;
    let (commands, queries) = (system.commands[0].client.clone(), system.queries.client.clone());
    a_command_is_told_and_a_client_resumes(&commands, &queries).await;
    let mut live = LiveClient::open(&queries, "/live?data=none", None).await;
    let api = OrderClient::new(&commands);
    let first = api.create_lamp(5).await;
    let seen = live.view_of(&format!("order-{}", first.order_id())).await;
    system.queries.process.kill();
    while live.try_next().await.is_some() {} // The stream ends with the process.
    let missed = api.create_lamp(5).await;
    system.queries.restart();
    system.queries.until_ready().await;
    let mut live = LiveClient::open(&queries, "/live?data=none", Some(&seen.id)).await;
    let told = live.view_of(&format!("order-{}", missed.order_id())).await;
    // Another set of views: the id of the old one says nothing there.
    let rebuilt = system.projectors[0].client.post("/rebuild", &[], "").await.unwrap();
    assert_eq!(rebuilt.status.as_u16(), 202);
    let reset = live.next("reset").await;
    let id = rebuilt.json().unwrap()["id"].as_str().unwrap().to_owned();
    assert!(reset.id.contains(&id), "{} is of {id}", reset.id);
    let mut live = LiveClient::open(&queries, "/live", Some(&told.id)).await;
    assert_eq!(live.next("reset").await.id.split('.').nth(1), Some(id.as_str()));
    system.remove().await;
}

/// Connections to Redis of this user whose latest command is a read of updates: whether each is blocked
/// by it now.
async fn reads_of(redis: &mut redis::aio::MultiplexedConnection, user: &str) -> Vec<bool> {
    let list = redis::cmd("CLIENT").arg("LIST").query_async::<String>(redis).await.unwrap();
    let has = |line: &str, field: &str| line.split(' ').any(|it| it == field);
    let of_user = format!("user={user}");
    let reads = list.lines().filter(|line| has(line, &of_user) && has(line, "cmd=xread"));
    reads
        .map(|line| line.split(' ').any(|it| it.starts_with("flags=") && it.contains('b')))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_streams_of_a_process_share_one_blocking_read() {
    let urls = Urls::of_the_run();
    let system = System::start(&urls, 1, 1).await;
    let user = system.own.namespace.as_str();
    let redis = redis::Client::open(servers::redis()).unwrap();
    let mut redis = redis.get_multiplexed_async_connection().await.unwrap();
    let mut acl = redis::cmd("ACL");
    acl.arg(&["SETUSER", user, "on", ">secret", "~*", "&*", "+@all"]);
    acl.query_async::<()>(&mut redis).await.unwrap();
    // A query-api whose connections are known by their user.
    let url = servers::redis().replace("redis://", &format!("redis://{user}:secret@"));
    let service = Service::start("query-api", user, &Urls { redis: url, ..urls });
    service.until_ready().await;
    let before = reads_of(&mut redis, user).await;
    assert!(before.is_empty(), "nothing is read while none wants it: {before:?}");
    let mut streams = vec![];
    for _ in 0..20 {
        streams.push(LiveClient::open(&service.client, "/live?data=none", None).await);
    }
    let created = system.commands[0].api().create_lamp(5).await;
    for live in &mut streams {
        live.view_of(&format!("order-{}", created.order_id())).await;
    }
    let one = until("the read waits for more", || {
        let mut redis = redis.clone();
        async move {
            let reads = reads_of(&mut redis, user).await;
            reads.contains(&true).then_some(reads)
        }
    });
    assert_eq!(one.await, vec![true]);
    drop(streams);
    service.process.stop();
    redis::cmd("ACL").arg(&["DELUSER", user]).query_async::<()>(&mut redis).await.unwrap();
    system.remove().await;
}

/// The schema of an event whose data is read.
fn events_described(document: &Value) -> jsonschema::Validator {
    let answer = &document["paths"]["/live"]["get"]["responses"]["200"];
    let mut schema = answer["content"]["text/event-stream"]["schema"].clone();
    for event in schema["oneOf"].as_array_mut().expect("several kinds of events") {
        let data = &mut event["properties"]["data"];
        *data = data["contentSchema"].clone();
        assert!(data.is_object(), "{event:#}");
    }
    schema_in(document, &schema)
}

/// The next event of each of these names, as the description shows events.
async fn events_of(live: &mut LiveClient, names: &[&str]) -> Vec<Value> {
    let mut wanted = BTreeSet::from_iter(names.iter().copied());
    let mut events = vec![];
    while !wanted.is_empty() {
        let event = live.try_next().await.expect("the stream goes on");
        if wanted.remove(event.name.as_str()) {
            events.push(json!({ "event": event.name, "id": event.id, "data": event.data }));
        }
    }
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn events_fit_their_description() {
    let folder = TempDir::default();
    let system = Embedded::start(&folder).await;
    let document = openapi(&system.queries).await;
    let schema = events_described(&document);
    let open = async |path, last| LiveClient::open(&system.queries, path, last).await;
    let (mut all, mut bare) = (open("/live", None).await, open("/live?data=none", None).await);
    let mut little = open("/live?max_per_second=1", None).await;
    drive(&plan(300), &system.commands).await;
    let mut events = events_of(&mut all, &["view", "checkpoint"]).await;
    events.extend(events_of(&mut bare, &["view"]).await);
    events.extend(events_of(&mut little, &["skipped"]).await);
    let mut again = open("/live", Some("another.generation.0-1")).await;
    events.extend(events_of(&mut again, &["reset"]).await);
    for event in &events {
        assert_fits("an event", &schema, event);
        // It is not just any object that fits.
        let mut broken = event.clone();
        broken["data"] = json!({ "nothing": "of it" });
        assert!(!schema.is_valid(&broken), "{broken:#}");
        broken = event.clone();
        broken["event"] = json!("another");
        assert!(!schema.is_valid(&broken), "{broken:#}");
    }
    let shown = events.iter().find(|it| it["data"]["view"].is_object()).expect("a view");
    let mut broken = shown.clone();
    broken["data"]["view"]["status"] = json!("nowhere");
    assert!(!schema.is_valid(&broken), "the view has the schema of an order");
    drop((all, bare, little, again));
    system.stop().await;
}
