//! Views made again beside live traffic; streams that are parked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kernel::log::{Entry, StreamName};
use serde_json::{Value, json};
use shared::event_store::EventStore as _;
use tests::load::{drive, plan};
use tests::orders;
use tests::services::{System, Urls};
use tests::until;
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
async fn views_are_made_again_beside_live_traffic_while_their_makers_are_killed() {
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
    // The projector that makes it is killed, one after the other.
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
    let (commands, projector) = (system.commands[0].api(), &system.projectors[0]);
    let id = commands.create_lamp(5).await.order_id();
    let stream = StreamName::new("order", id);
    let store = system.own.mongodb().await;
    let position = store.head().await.unwrap() + 1;
    let poison = orders::commit(position, &stream, 2, &orders::unreadable());
    store.insert(&[Entry::Commit(poison)]).await.unwrap();
    let notes = until("it is parked", || async {
        let notes = projector.get("/parked").await["items"].as_array().unwrap().clone();
        (!notes.is_empty()).then_some(notes)
    })
    .await;
    assert_eq!((&notes[0]["stream"], &notes[0]["version"]), (&json!(stream), &json!(2)));
    let retry = |stream: String| async move {
        projector.api().post(&format!("/parked/{stream}/retry"), "").await
    };
    let again = retry(stream.to_string()).await;
    assert_eq!(again.status, 409);
    assert!(again.json()["detail"].as_str().unwrap().contains("UnknownEvent"));
    assert_eq!(retry("order-x".to_owned()).await.status, 404);
    // A command for it can't be decided, and says so; others go on.
    assert_eq!(commands.pay(id, 1).await.status, 500, "its history can't be read");
    let other = commands.create_lamp(5).await;
    let (queries, place) = (system.queries.api(), other.location());
    assert_eq!(queries.with_token(other.token()).waiting(30).get(place).await.status, 200);
    let (log, _) = other.token().split_once('.').unwrap();
    let reader = queries.with_token(&format!("{log}.2@{stream}")).waiting(50);
    let told = tokio::time::timeout(Duration::from_secs(25), reader.get(place));
    let told = told.await.expect("an answer at once: what is parked does not come");
    assert_eq!((told.status, told.problem().as_str()), (503, "stream-parked"));
    assert!(told.json()["detail"].as_str().unwrap().contains("UnknownEvent"), "{:?}", told.body);
    until("the checkpoint passes it", || async {
        let all = projector.get("/generations").await;
        let item = &all["items"][0];
        (item["checkpoint"] == all["head"] && item["parked"] == 1).then_some(())
    })
    .await;
    // To verify it is behind, unless it is known to be parked there; then all else is compared.
    let (commands, queries) = (&system.commands[0].client, &system.queries.client);
    let none = Duration::ZERO;
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
