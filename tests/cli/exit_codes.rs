//! What `verify`, `load` and `rebuild` find not to be as it should be is told with exit code 1.

use serde_json::{Value, json};
use tests::client::OrderClient;
use tests::stores::TempDir;
use tests::until;
use waybill::load::rest;

use super::json::embedded;

#[tokio::test(flavor = "multi_thread")]
async fn verify_tells_of_views_that_are_behind_or_differ() {
    let folders = [TempDir::default(), TempDir::default()];
    let (system, waybill) = embedded(&folders[0]).await;
    // Its views are of another log.
    let (other, _) = embedded(&folders[1]).await;
    let verify = format!("verify --wait 0 --query-api {}", other.queries.base());
    OrderClient::new(&system.commands).create_lamp(5).await;
    let behind = waybill.run(&format!("{verify} --json")).await;
    assert_eq!(behind.code, Some(1), "{behind:?}");
    assert_eq!((&behind.json()["behind"], &behind.json()["differences"]), (&json!(1), &json!([])));
    let text = waybill.run(&verify).await;
    assert_eq!(text.code, Some(1), "{text:?}");
    assert!(text.stdout.contains("1 orders were not caught up with after 0 s"), "{text:?}");

    let id = OrderClient::new(&other.commands).create_lamp(7).await.order_id();
    let queries = OrderClient::new(&other.queries);
    until("the order is in the views", || async {
        queries.order(id).await.is_success().then_some(())
    })
    .await;
    let differs = waybill.run(&format!("{verify} --json")).await;
    assert_eq!((differs.code, &differs.json()["behind"]), (Some(1), &json!(0)), "{differs:?}");
    let expected = format!("order-{id} has a view and no events");
    let differences = differs.json()["differences"].clone();
    assert!(differences.as_array().unwrap().contains(&json!(expected)), "{differences}");
    let text = waybill.run(&verify).await;
    assert_eq!(text.code, Some(1), "{text:?}");
    assert!(text.stdout.contains(&format!("differs: {expected}")), "{text:?}");
    system.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn load_tells_of_commands_that_are_refused() {
    let (folder, files) = (TempDir::default(), TempDir::default());
    let (system, waybill) = embedded(&folder).await;
    let file = files.0.join("history.ndjson");
    let load = "load --seed 7 --commands 20 --clients 4";
    let written = waybill.run(&format!("{load} --out {}", file.display())).await;
    assert_eq!(written.code, Some(0), "{written:?}");
    // One of its orders is there already.
    let history = std::fs::read_to_string(&file).unwrap();
    let first: Value = serde_json::from_str(history.lines().next().unwrap()).unwrap();
    assert_eq!(first["type"], "CreateOrder");
    let (_, path, body) = rest(first);
    assert_eq!(OrderClient::new(&system.commands).post(&path, body).await.status, 201);
    let refused = waybill.run(&format!("{load} --json")).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let counts = refused.json();
    assert_eq!(counts["refused"], json!({ "order-exists": 1 }), "{counts}");
    assert_eq!(counts["acknowledged"], 19, "{counts}");
    let text = waybill.run(load).await;
    assert_eq!(text.code, Some(1), "{text:?}");
    assert!(text.stdout.contains("refused       1\n  order-exists: 1"), "{text:?}");
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rebuild_tells_that_another_one_is_under_way() {
    let folder = TempDir::default();
    let (system, waybill) = embedded(&folder).await;
    // Each begins one, until one comes while that is being made.
    let refused = until("a rebuild is not begun", || async {
        let done = waybill.run("rebuild --no-wait --json").await;
        (done.code != Some(0)).then_some(done)
    })
    .await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert_eq!(refused.json()["type"], "/problems/already-building");
    system.stop().await;
}
