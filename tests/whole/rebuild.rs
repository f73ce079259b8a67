//! Views made again beside live traffic; streams that are parked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kernel::log::{Entry, StreamName};
use kernel::views::Parked;
use serde_json::{Value, json};
use shared::event_store::EventStore as _;
use shared::view_store::ViewStore as _;
use tests::load::{drive, plan};
use tests::orders;
use tests::program::CommandLine;
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

/// Parks an order of which the log has a poisonous event, and so many streams more that the log has not.
pub async fn park(system: &System, more: usize) {
    let id = system.commands[0].api().create_lamp(5).await.order_id();
    let (store, views) = (system.own.mongodb().await, system.own.redis().await);
    let stream = StreamName::new("order", id);
    let position = store.head().await.unwrap() + 1;
    let poison = orders::commit(position, &stream, 2, &orders::unreadable());
    store.insert(&[Entry::Commit(poison)]).await.unwrap();
    let live = views.live().await.unwrap().unwrap().id;
    let note =
        until("it is parked", || async { views.parked(&live, None, 1).await.unwrap().notes.pop() })
            .await;
    for _ in 0..more {
        let stream = StreamName::new("order", Uuid::new_v4());
        views.park(&live, &Parked { stream, ..note.clone() }).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parked_streams_are_listed_in_pages() {
    let system = System::start(&Urls::of_the_run(), 1, 1).await;
    park(&system, 119).await;
    let projector = &system.projectors[0];
    let (mut pages, mut found, mut cursor) = (vec![], vec![], String::new());
    loop {
        let page = projector.get(&format!("/parked{cursor}")).await;
        assert_eq!(page["total"], 120);
        let items = page["items"].as_array().unwrap();
        pages.push(items.len());
        found.extend(items.iter().map(|note| note["stream"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        assert_eq!(Some(next), found.last().map(String::as_str));
        cursor = format!("?cursor={next}");
    }
    assert_eq!(pages, [50, 50, 20]);
    assert!(found.is_sorted_by(|one, other| one < other), "{found:?}");
    assert_eq!(projector.get("/parked?limit=1000").await["items"].as_array().unwrap().len(), 120);
    assert_eq!(projector.get("/generations").await["items"][0]["parked"], 120);
    for bad in ["limit=0", "limit=1001", "after=order-x"] {
        assert_eq!(projector.api().get(&format!("/parked?{bad}")).await.status, 400, "{bad}");
    }
    // The command line shows as many as are asked for, and finds each.
    let (commands, queries) = (&system.commands[0].client, &system.queries.client);
    let waybill = CommandLine::of(commands, queries, &projector.client);
    let all = waybill.run("parked list --json").await;
    assert_eq!((all.code, &all.json()["total"]), (Some(1), &json!(120)));
    assert_eq!(all.json()["items"].as_array().unwrap().len(), 120);
    let first = waybill.run("parked list --limit 3").await.stdout;
    assert!(first.ends_with("120 parked; these are the first 3, --limit shows more\n"), "{first}");
    let last = waybill.run(&format!("parked show {} --json", found[119])).await.json();
    assert_eq!(last["parked"]["stream"], found[119]);
    let text = waybill.run(&format!("parked show {}", found[119])).await.stdout;
    let told = format!("stream        {}\nfrom version  2\n", found[119]);
    assert!(text.starts_with(&told) && !text.contains('{'), "{text}");
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
