//! Servers that come back with other contents than they had.

use serde_json::Value;
use tests::load::{drive, plan};
use tests::services::{Service, System, Urls};
use tests::stores::TempDir;
use tests::until;
use waybill::client::Response;
use waybill::load::Plan;
use xtask::servers::Servers;

/// Drives it through whatever is being replaced.
async fn load(system: &System, commands: usize) {
    let plan = Plan { rate: 500, ..plan(commands) };
    drive(&plan, &system.commands[0].client).await;
}

async fn live(system: &System) -> Option<Value> {
    let all = system.projectors[0].client.get("/generations").await.ok()?;
    all["items"].as_array()?.iter().find(|one| one["live"] == true).cloned()
}

async fn until_views_of_another_log(system: &System, old: &Value) -> Value {
    until("the views are of the log that is there", || async {
        live(system).await.filter(|live| live["log"] != old["log"])
    })
    .await
}

async fn get(service: &Service, path: &str, headers: &[(&str, &str)]) -> Response {
    service.client.send(http::Method::GET, path, headers, "").await.unwrap()
}

/// The path of an order that cannot be cancelled any more, and its ETag as query-api tells it.
async fn etag_of_an_order(system: &System) -> (String, String) {
    let page = system.queries.get("/orders?status=delivered&limit=1").await;
    let path = format!("/orders/{}", page["items"][0]["order_id"].as_str().unwrap());
    let known = get(&system.queries, &path, &[]).await.headers["etag"].to_str().unwrap().to_owned();
    let unchanged = get(&system.queries, &path, &[("if-none-match", &known)]).await;
    assert_eq!(unchanged.status.as_u16(), 304);
    (path, known)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_log_gets_new_views_while_the_old_ones_serve() {
    let system = System::start(&Urls::of_the_run(), 2, 2).await;
    load(&system, 300).await;
    system.verify().await;
    let old = live(&system).await.unwrap();
    let cursor = system.commands[0].get("/events?limit=1").await["next"].clone();
    let (order, known) = etag_of_an_order(&system).await;
    let renewed = system.projectors[0].client.post("/log/renew", &[], "").await.unwrap();
    assert_eq!(renewed.status.as_u16(), 200);
    let log = renewed.json().unwrap()["log"].clone();
    let token = format!("{}.1", log.as_str().unwrap());
    let headers = [("consistency-token", token.as_str()), ("prefer", "wait=30")];
    until("tokens of the new log are taken, as soon as its views are live", || async {
        let read = system.queries.client.send(http::Method::GET, "/stats", &headers, "");
        (read.await.unwrap().status.as_u16() == 200).then_some(())
    })
    .await;
    assert_eq!(until_views_of_another_log(&system, &old).await["log"], log);
    // It is at the same version still, and of another log.
    let again = get(&system.queries, &order, &[("if-none-match", &known)]).await;
    assert_eq!(again.status.as_u16(), 200);
    assert_ne!(again.headers["etag"].to_str().unwrap(), known);
    let expects = [("if-match", known.as_str())];
    for command in &system.commands {
        until("expectations of the log before are refused", || async {
            let cancel = format!("{order}/cancellation");
            let answer = command.client.post(&cancel, &expects, "").await.unwrap();
            let body = answer.json().unwrap();
            assert!(matches!(answer.status.as_u16(), 409 | 412 | 503), "{body}");
            body["detail"].as_str().unwrap().contains("another log").then_some(())
        })
        .await;
        until("cursors of the log before are turned away", || async {
            let path = format!("/events?after={}", cursor.as_str().unwrap());
            let answer = command.client.send(http::Method::GET, &path, &[], "").await.ok()?;
            (answer.status.as_u16() == 410).then_some(())
        })
        .await;
    }
    load(&system, 300).await;
    system.verify().await;
    system.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_mongodb_is_a_new_log_and_the_views_follow() {
    let system = System::start(&Urls::of_the_run(), 1, 2).await;
    load(&system, 300).await;
    system.verify().await;
    let old = live(&system).await.unwrap();
    system.own.mongodb().await.drop_database().await.unwrap();
    until_views_of_another_log(&system, &old).await;
    until("commands are taken again", || async {
        system.commands[0].is_ready().await.then_some(())
    })
    .await;
    load(&system, 300).await;
    system.verify().await;
    let stats = system.queries.get("/stats").await;
    let orders = stats["orders"].as_i64().unwrap();
    assert!(orders > 0 && orders < 300, "of the new log alone: {stats}");
    system.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_comes_back_with_older_contents_is_healed_from_the_log() {
    let mut servers = Servers::start().expect("private servers start");
    let urls = Urls::of(&servers);
    let system = System::start(&urls, 1, 2).await;
    load(&system, 300).await;
    system.verify().await;
    let aside = TempDir::default();
    servers.redis.copy(&aside.0).unwrap();
    load(&system, 300).await;
    // Another generation is live by now, and the queue of the one in the copy is gone.
    let old = live(&system).await.unwrap();
    system.projectors[0].client.post("/rebuild", &[], "").await.unwrap();
    until("the new views are live", || async {
        live(&system).await.filter(|live| live["id"] != old["id"])
    })
    .await;
    servers.redis.restart_from(&aside.0).unwrap();
    until("the older views are live again", || async {
        live(&system).await.filter(|live| live["id"] == old["id"])
    })
    .await;
    load(&system, 300).await;
    system.verify().await;
    system.until_ready().await;
}
