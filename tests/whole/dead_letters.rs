//! Messages on a view queue that are no events: kept, shown, discarded.

use http::Method;
use kernel::log::LogId;
use serde_json::{Value, json};
use shared::messaging::cloud_event::{CloudEvent, source};
use shared::view_store::ViewStore as _;
use tests::embedded::Embedded;
use tests::orders;
use tests::program::CommandLine;
use tests::servers::publish;
use tests::services::{System, Urls};
use tests::stores::TempDir;
use tests::until;
use uuid::Uuid;
use waybill::client::{Client, Response};

/// An event of a log, as its bytes on the wire.
fn event(system: &System, log: &LogId) -> Vec<u8> {
    let happened = ("Happened", json!({}));
    let commit = orders::commit(1, &orders::stream(), 1, &happened);
    let recorded = commit.recorded().next().unwrap();
    let source = source(&system.own.namespace, log);
    serde_json::to_vec(&CloudEvent::new(recorded, &source)).unwrap()
}

/// The list, once there are so many.
async fn list(projector: &Client, count: usize) -> Vec<Value> {
    until("all dead letters are listed", || async {
        let page = projector.get("/dead-letters").await.unwrap();
        let items = page["items"].as_array().unwrap().clone();
        (items.len() == count && page["total"] == count).then_some(items)
    })
    .await
}

async fn send(projector: &Client, method: Method, id: &str, status: u16) -> Response {
    let path = format!("/dead-letters/{id}");
    let answer = projector.send(method, &path, &[], "").await.unwrap();
    assert_eq!(answer.status.as_u16(), status, "{path}: {:?}", answer.body);
    if status == 404 {
        assert_eq!(answer.json().unwrap()["type"], "/problems/dead-letter-not-found");
    }
    answer
}

/// A command of now becomes visible in the views.
async fn views_follow(system: &System) {
    let created = system.commands[0].api().create_lamp(5).await;
    let reader = system.queries.api().with_token(created.token()).waiting(30);
    assert_eq!(reader.get(created.location()).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_event_is_listed_shown_and_discarded_while_the_views_go_on() {
    let system = System::start(&Urls::of_the_run(), 1, 1).await;
    let projector = &system.projectors[0].client;
    assert_eq!(list(projector, 0).await, [] as [Value; 0]);
    let waybill = CommandLine::of(&system.commands[0].client, &system.queries.client, projector);
    assert_eq!(waybill.run("dead-letters list").await.code, Some(0));
    let live = system.own.redis().await.live().await.unwrap().unwrap();
    let queue = live.id.queue(&system.own.namespace);
    let whole = event(&system, &live.log);
    let truncated = &whole[..whole.len() / 2];
    let foreign = event(&system, &LogId::random());
    publish(&queue, &[b"\xff\x00", truncated, &foreign]).await;
    let kept = list(projector, 3).await;
    for (one, (reason, bytes)) in
        kept.iter().zip([("expected value", 2), ("EOF", truncated.len()), ("log", foreign.len())])
    {
        assert!(one["reason"].as_str().unwrap().contains(reason), "{one}");
        assert_eq!((&one["bytes"], &one["queue"]), (&json!(bytes), &json!(queue)), "{one}");
    }
    views_follow(&system).await;

    let ids: Vec<&str> = kept.iter().map(|one| one["id"].as_str().unwrap()).collect();
    let shown = send(projector, Method::GET, ids[0], 200).await.json().unwrap();
    assert_eq!((&shown["hex"], &shown["text"]), (&json!("ff00"), &Value::Null));
    let shown = send(projector, Method::GET, ids[1], 200).await.json().unwrap();
    assert_eq!(shown["text"].as_str().unwrap().as_bytes(), truncated);

    let elsewhere = [("origin", "https://elsewhere.example")];
    let path = format!("/dead-letters/{}", ids[1]);
    let refused = projector.send(Method::DELETE, &path, &elsewhere, "").await.unwrap();
    assert_eq!(refused.status.as_u16(), 403);
    assert!(send(projector, Method::DELETE, ids[1], 204).await.body.is_empty());
    assert_eq!(list(projector, 2).await, [kept[0].clone(), kept[2].clone()]);
    send(projector, Method::DELETE, ids[1], 404).await;
    send(projector, Method::GET, &Uuid::now_v7().to_string(), 404).await;

    let listed = waybill.run("dead-letters list --json").await;
    assert_eq!((listed.code, &listed.json()["total"]), (Some(1), &json!(2)));
    let text = waybill.run("dead-letters list").await.stdout;
    assert!(text.contains(ids[0]) && text.contains("2 dead letters"), "{text}");
    let shown = waybill.run(&format!("dead-letters show {} --json", ids[2])).await;
    assert_eq!((shown.code, &shown.json()["id"]), (Some(0), &json!(ids[2])));
    let shown = waybill.run(&format!("dead-letters show {}", ids[0])).await;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let told = format!("id      {}\n", ids[0]);
    assert!(shown.stdout.starts_with(&told), "{}", shown.stdout);
    assert!(shown.stdout.contains("\nbytes   2\n"), "{}", shown.stdout);
    assert!(shown.stdout.ends_with("\n\nff00\n"), "{}", shown.stdout);
    for id in [ids[0], ids[2]] {
        let discard = format!("dead-letters discard {id} --json");
        assert_eq!(waybill.run(&discard).await.json()["discarded"], true);
        let gone = waybill.run(&discard).await;
        assert_eq!(gone.code, Some(1));
        assert_eq!(gone.json()["type"], "/problems/dead-letter-not-found");
    }
    assert_eq!(waybill.run("dead-letters list").await.code, Some(0));
    views_follow(&system).await;
    system.verify().await;
    system.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_takes_a_limit_and_the_embedded_mode_has_no_dead_letters() {
    let folder = TempDir::default();
    let system = Embedded::start(&folder).await;
    let projector = Client::new(&format!("http://{}", system.running.addresses.projector));
    let page = projector.get("/dead-letters?limit=1000").await.unwrap();
    assert_eq!(page, json!({ "items": [], "total": 0, "next": null }));
    for bad in ["limit=0", "limit=1001", "limit=x", "cursor=x"] {
        let path = format!("/dead-letters?{bad}");
        let answer = projector.send(Method::GET, &path, &[], "").await.unwrap();
        assert_eq!(answer.status.as_u16(), 400, "{bad}");
        assert_eq!(answer.json().unwrap()["type"], "/problems/malformed", "{bad}");
    }
    send(&projector, Method::GET, "x", 400).await;
    send(&projector, Method::DELETE, "x", 400).await;
    drop(projector);
    system.stop().await;
}
