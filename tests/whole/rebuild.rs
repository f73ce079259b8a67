//! Views made again beside live traffic; streams that are parked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Method;
use kernel::log::{Commit, Entry, Event, Meta, StreamName};
use serde_json::{Value, json};
use shared::event_store::EventStore as _;
use tests::load::{drive, plan};
use tests::services::{System, Urls};
use tests::until;
use uuid::Uuid;
use waybill::client::Client;

/// Asks without a pause: there is always an answer, from one set of views, and it never goes back.
async fn watch(queries: Client, over: Arc<AtomicBool>) -> usize {
    let (mut answers, mut orders) = (0, 0);
    while !over.load(Ordering::SeqCst) {
        let stats = queries.get("/stats").await.expect("always an answer");
        let by_status = stats["by_status"].as_object().unwrap();
        let sum: i64 = by_status.values().filter_map(Value::as_i64).sum();
        let now = stats["orders"].as_i64().unwrap();
        assert_eq!(sum, now, "{stats}");
        assert!(now >= orders - 400, "from {orders} back to {now}: not by the lag of a swap");
        orders = orders.max(now);
        answers += 1;
    }
    answers
}

async fn live(system: &System) -> Value {
    let all = system.projectors[0].get("/generations").await;
    all["items"].as_array().unwrap().iter().find(|one| one["live"] == true).unwrap()["id"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn views_are_made_again_beside_live_traffic_whoever_is_killed_meanwhile() {
    let mut system = System::start(&Urls::of_the_run(), 1, 2).await;
    drive(&plan(3_000), &system.commands[0].client).await;
    system.verify().await;
    let before = live(&system).await;
    let over = Arc::new(AtomicBool::new(false));
    let watching = tokio::spawn(watch(system.queries.client.clone(), over.clone()));
    let client = system.commands[0].client.clone();
    let second = waybill::load::Plan { rate: 300, ..plan(1_500) };
    let load = tokio::spawn(async move { drive(&second, &client).await });
    let asked = system.projectors[0].client.post("/rebuild", &[], "").await.unwrap();
    assert_eq!(asked.status.as_u16(), 202);
    let wanted = asked.json().unwrap()["id"].clone();
    let again = system.projectors[1].client.post("/rebuild", &[], "").await.unwrap();
    assert!([202, 409].contains(&again.status.as_u16()), "{}", again.status);
    // Whichever makes it is killed, one after the other.
    for projector in &mut system.projectors {
        projector.process.kill();
        projector.restart();
        projector.until_ready().await;
    }
    until("the new views are live", || async {
        let now = live(&system).await;
        (now != before).then_some(now)
    })
    .await;
    load.await.unwrap();
    over.store(true, Ordering::SeqCst);
    assert!(watching.await.unwrap() > 10);
    until("nothing is in the making", || async {
        let all = system.projectors[0].get("/generations").await;
        let building = all["items"].as_array().unwrap().iter().any(|one| one["building"] == true);
        (!building && live(&system).await != before).then_some(())
    })
    .await;
    // The second request may have come after the end of the first.
    if again.status.as_u16() == 409 {
        assert_eq!(live(&system).await, wanted);
    }
    system.verify().await;
    system.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisonous_event_parks_its_order_and_is_told_of() {
    let system = System::start(&Urls::of_the_run(), 1, 1).await;
    let (commands, projector) = (&system.commands[0].client, &system.projectors[0]);
    let item = json!({ "sku": "A", "name": "Lamp", "quantity": 1, "unit_price": 5 });
    let order = json!({ "customer_id": "c", "currency": "EUR", "items": [item] });
    let created = commands.post("/orders", &[], order.to_string()).await.unwrap().json().unwrap();
    let id: Uuid = created["order_id"].as_str().unwrap().parse().unwrap();
    let stream = StreamName::new("order", id);
    let store = system.own.mongodb().await;
    let position = store.head().await.unwrap() + 1;
    let poison = Commit {
        position,
        stream: stream.clone(),
        from: 2,
        to: 2,
        events: vec![Event {
            id: Uuid::now_v7(),
            kind: "NobodyKnows".to_owned(),
            schema: 1,
            data: json!({}),
        }],
        at: kernel::Timestamp::now(),
        meta: Meta { correlation: "c".to_owned(), ..Meta::default() },
        key: Uuid::now_v7().to_string(),
        fingerprint: String::new(),
    };
    store.insert(&[Entry::Commit(poison)]).await.unwrap();
    let notes = until("it is parked", || async {
        let notes = projector.get("/parked").await["items"].as_array().unwrap().clone();
        (!notes.is_empty()).then_some(notes)
    })
    .await;
    assert_eq!((&notes[0]["stream"], &notes[0]["version"]), (&json!(stream), &json!(2)));
    let retry = |stream: String| async move {
        projector.client.post(&format!("/parked/{stream}/retry"), &[], "").await.unwrap()
    };
    let again = retry(stream.to_string()).await;
    assert_eq!(again.status.as_u16(), 409);
    assert!(again.json().unwrap()["detail"].as_str().unwrap().contains("NobodyKnows"));
    assert_eq!(retry("order-x".to_owned()).await.status.as_u16(), 404);
    // A command for it can't be decided, and says so; others go on.
    let pay = format!("/orders/{id}/payments");
    let refused = commands.post(&pay, &[], json!({ "amount": 1 }).to_string()).await.unwrap();
    assert_eq!(refused.status.as_u16(), 500, "its history can't be read");
    let other = commands.post("/orders", &[], order.to_string()).await.unwrap();
    let token = other.headers["consistency-token"].to_str().unwrap();
    let place = other.headers["location"].to_str().unwrap();
    let headers = [("consistency-token", token), ("prefer", "wait=30")];
    let seen = system.queries.client.send(Method::GET, place, &headers, "").await.unwrap();
    assert_eq!(seen.status.as_u16(), 200);
    let parked = token.split_once('.').unwrap().0;
    let parked = format!("{parked}.2@{stream}");
    let headers = [("consistency-token", parked.as_str()), ("prefer", "wait=50")];
    let told = system.queries.client.send(Method::GET, place, &headers, "");
    let told = tokio::time::timeout(std::time::Duration::from_secs(25), told);
    let told = told.await.expect("nobody waits for what is parked").unwrap();
    let problem = told.json().unwrap();
    assert_eq!((told.status.as_u16(), &problem["type"]), (503, &json!("/problems/stream-parked")));
    assert!(problem["detail"].as_str().unwrap().contains("NobodyKnows"), "{problem}");
    until("the checkpoint passes it", || async {
        let all = projector.get("/generations").await;
        let item = &all["items"][0];
        (item["checkpoint"] == all["head"] && item["parked"] == 1).then_some(())
    })
    .await;
    // To verify it is behind, unless it is known to be parked there; then all else is compared.
    let (queries, none) = (&system.queries.client, std::time::Duration::ZERO);
    let behind = waybill::verify::check(commands, queries, none).await.unwrap();
    assert_eq!((behind.quiet, behind.behind), (false, 1), "{behind:#?}");
    let known = [(stream.clone(), 2)].into();
    let report = waybill::verify::check_but(&known, commands, queries, none).await.unwrap();
    assert!(report.quiet && report.differences.is_empty(), "{report:#?}");
    let known = [(stream.clone(), 1)].into();
    let report = waybill::verify::check_but(&known, commands, queries, none).await.unwrap();
    assert!(!report.differences.is_empty(), "a view that goes on past the bad event differs");
    system.remove().await;
}
