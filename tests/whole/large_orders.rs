//! Many of the largest orders that are allowed, and a log from before the bounds that holds larger ones:
//! each service keeps within its memory, and small orders beside them do not wait.

mod beside;

use std::collections::HashSet;
use std::ops::Range;
use std::time::Duration;

use futures::future::join_all;
use kernel::log::{Entry, StreamName};
use serde_json::{Value, json};
use shared::event_store::{EventStore as _, Inserted};
use tests::client::{Answer, OrderClient};
use tests::live::LiveClient;
use tests::memory::peak;
use tests::orders;
use tests::services::{Service, System, Urls};
use tests::within;
use tokio::time::timeout;
use waybill::client::Client;

use self::beside::{Beside, allowed, small_order};

/// Orders that are sent, where `WAYBILL_LARGE_ORDERS` does not ask for another number.
const ORDERS: usize = 32;
/// Requests with them under way at a time.
const CLIENTS: usize = 8;
/// Commits of about 1 MiB of an old log, and those of one insert.
const PLANTED: usize = 8;
const GROUP: usize = 4;
/// Lists that are asked for at a time.
const LISTS: usize = 16;
/// That each service may have at most.
const MEMORY: u64 = 256 << 20;
/// For a step with all of them.
const STEP: Duration = Duration::from_secs(180);

fn number_of_orders() -> usize {
    match std::env::var("WAYBILL_LARGE_ORDERS") {
        Ok(text) => text.parse().expect("WAYBILL_LARGE_ORDERS is a number of orders"),
        Err(_) => ORDERS,
    }
}

/// So many items with texts of these lengths.
fn items(count: usize, sku: usize, name: usize) -> Vec<Value> {
    let item = |number: usize| {
        let mut item = orders::item(&format!("{number:0>sku$}"), 1, 1);
        item["name"] = json!("x".repeat(name));
        item
    };
    (0..count).map(item).collect()
}

/// As large as an order and a command may be.
fn largest() -> String {
    let order = orders::order_of(&items(500, 64, 17)).to_string();
    assert!((64_000..=64 << 10).contains(&order.len()), "{}", order.len());
    order
}

/// Items whose texts have twice their length in JSON; 500 of them have as much text as an order may have.
fn escaped(numbers: Range<usize>) -> Vec<Value> {
    let item = |number: usize| {
        let mut item = orders::item(&format!("{number:\"<64}"), 1, 1);
        item["name"] = json!("\"".repeat(34));
        item
    };
    numbers.map(item).collect()
}

/// Creates an order that becomes as large as it may be, which is more than one command can say.
async fn grow(commands: &OrderClient, queries: &OrderClient) {
    const FIRST: usize = 260;
    let created = commands.create_order(&orders::order_of(&escaped(0..FIRST))).await;
    assert_eq!(created.status, 201, "{:?}", created.body);
    let to_it = |item| orders::to(created.order_id(), orders::addition(item));
    for more in escaped(FIRST..500).chunks(60) {
        let mut left: Vec<Value> = more.iter().cloned().map(to_it).collect();
        // Where much waits, some can't start in time, and those behind them are not attempted; they are sent again.
        while !left.is_empty() {
            let answer = commands.batch(&left).await;
            let results = answer.json()["results"].as_array().unwrap().clone();
            let not_done =
                |result: &Value| [409, 429, 503].contains(&result["status"].as_u64().unwrap());
            let failed = left.into_iter().zip(&results).filter(|(_, result)| not_done(result));
            left = failed.map(|(command, _)| command).collect();
        }
    }
    let body = within(STEP, "all of its items are shown", || async {
        let order = queries.get(created.location()).await;
        (order.status == 200 && order.version() == 1 + 240).then_some(order.body)
    })
    .await;
    assert!(body.len() > 130_000, "it has {} bytes", body.len());
}

async fn send(client: OrderClient, order: String, count: usize) {
    for _ in 0..count {
        let created = client.post("/orders", order.clone()).await;
        assert_eq!(created.status, 201, "{:?}", created.body);
    }
}

fn check_memory(system: &System, when: &str) {
    for service in system.all() {
        let (name, peak) = (service.process.name(), peak(service.process.id()));
        println!("{when}: {name} had at most {} MiB", peak >> 20);
        assert!(peak < MEMORY, "{when}: {name} had {} MiB", peak >> 20);
    }
}

async fn generations(system: &System) -> (Value, bool) {
    let all = system.projectors[0].get("/generations").await;
    let items = all["items"].as_array().unwrap();
    let live = items.iter().find(|one| one["live"] == true).unwrap()["id"].clone();
    (live, items.iter().any(|one| one["building"] == true))
}

async fn rebuild(system: &System) {
    let (before, _) = generations(system).await;
    let asked = system.projectors[0].client.post("/rebuild", &[], "").await.unwrap();
    assert_eq!(asked.status.as_u16(), 202);
    within(STEP, "the new views are live", || async {
        let (live, building) = generations(system).await;
        (live != before && !building).then_some(())
    })
    .await;
}

/// Reads all pages behind each other; returns how many things were on them.
async fn read_all(client: &OrderClient, path: &str, of: &str, cursor: &str) -> usize {
    let (mut count, mut after) = (0, String::new());
    loop {
        let page = client.get(&format!("{path}?limit=1000{after}")).await;
        assert_eq!(page.status, 200, "{:?}", page.body);
        let page = page.json();
        count += page[of].as_array().unwrap().len();
        let before = std::mem::take(&mut after);
        after = page["next"].as_str().map(|next| format!("&{cursor}={next}")).unwrap_or_default();
        // The last page of the feed leads to itself.
        if after.is_empty() || after == before {
            return count;
        }
    }
}

/// Asks for many pages at a time: some of them may find no place.
async fn read_at_once(client: &OrderClient) {
    let asked = (0..LISTS).map(|_| client.get("/orders?limit=1000"));
    let statuses: Vec<u16> = join_all(asked).await.iter().map(|page| page.status).collect();
    assert!(statuses.contains(&200), "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
}

/// Reads until it was told of version 2 of all these. Where the stream ends, as it does for a client that a
/// busy machine made too slow, it resumes behind `last`, or what it was told since.
async fn told(queries: &Client, from: (LiveClient, String), mut streams: HashSet<&str>) {
    let (mut live, mut last) = from;
    let told = async {
        while !streams.is_empty() {
            let Some(event) = live.try_next().await else {
                live = LiveClient::open(queries, "/live", Some(&last)).await;
                continue;
            };
            assert_ne!(event.name, "reset", "all that it missed can be told");
            if event.name == "view" && event.data["version"] == 2 {
                streams.remove(event.data["stream"].as_str().unwrap());
            }
            if !event.id.is_empty() {
                last = event.id;
            }
        }
    };
    timeout(STEP, told).await.expect("it is told of all");
}

/// Pays something of each, while one client is told and another comes back for it.
async fn pay(system: &System, planted: &[StreamName]) {
    let (queries, commands) = (&system.queries.client, system.commands[0].api());
    let mut live = LiveClient::open(queries, "/live", None).await;
    let before = live.next("checkpoint").await.id;
    let streams: HashSet<&str> = planted.iter().map(StreamName::as_str).collect();
    let is_told = told(queries, (live, before.clone()), streams.clone());
    let paid = join_all(planted.iter().map(|stream| commands.pay(stream.id().parse().unwrap(), 1)));
    let (paid, ()) = tokio::join!(paid, is_told);
    assert!(paid.iter().all(Answer::is_success), "each takes a payment");
    let back = LiveClient::open(queries, "/live", Some(&before)).await;
    told(queries, (back, before), streams).await;
}

async fn restart(service: &mut Service) {
    service.process.stop();
    service.restart();
    service.until_ready().await;
}

/// What each service may have to do with so many large orders, with small ones beside it.
async fn exercise(mut system: System, large: usize) {
    let beside = Beside::start(&system);
    rebuild(&system).await;
    let (commands, queries) = (system.commands[0].api(), system.queries.api());
    assert!(read_all(&commands, "/events", "events", "after").await >= large);
    assert!(read_all(&queries, "/orders", "items", "cursor").await >= large);
    read_at_once(&queries).await;
    beside.end("rebuild and reads", large).await;
    check_memory(&system, "before the restart");
    restart(&mut system.commands[0]).await;
    restart(&mut system.projectors[0]).await;
    restart(&mut system.queries).await;
    let took = small_order(&commands, &queries).await;
    println!("after the restart a small order was visible within {took:?}");
    assert!(took < allowed(large), "after the restart: {took:?}");
    system.verify().await;
    check_memory(&system, "after the restart");
    system.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_orders_take_little_memory_and_hold_up_no_others() {
    let system = System::start(&Urls::of_the_run(), 1, 1).await;
    let (each, order) = (number_of_orders().div_ceil(CLIENTS), largest());
    let beside = Beside::start(&system);
    let sent = join_all((0..CLIENTS).map(|_| send(system.commands[0].api(), order.clone(), each)));
    let (commands, queries) = (system.commands[0].api(), system.queries.api());
    tokio::join!(sent, grow(&commands, &queries));
    beside.end("beside the largest orders", each * CLIENTS).await;
    exercise(system, each * CLIENTS).await;
}

/// Written when an order could have any number of items, in a request of up to 1 MiB.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_holds_larger_orders_takes_no_more_memory() {
    let system = System::start(&Urls::of_the_run(), 1, 1).await;
    let store = system.own.mongodb().await;
    let (items, mut planted) = (items(3_300, 64, 200), vec![]);
    for _ in 0..PLANTED / GROUP {
        let positions = store.reserve_positions(GROUP).await.unwrap();
        let entries = positions.map(|position| {
            let stream = orders::stream();
            let created = orders::created_of(&stream, &items);
            planted.push(stream.clone());
            Entry::Commit(orders::commit(position, &stream, 1, &created))
        });
        let inserted = store.insert(&entries.collect::<Vec<_>>()).await.unwrap();
        assert!(inserted.iter().all(|one| matches!(one, Inserted::Written)), "{inserted:?}");
    }
    store.raise_counter(0).await.unwrap();
    let last = system.commands[0].api().create_lamp(5).await;
    let queries = system.queries.api();
    within(STEP, "the views have all of them", || async {
        (queries.get(last.location()).await.status == 200).then_some(())
    })
    .await;
    pay(&system, &planted).await;
    check_memory(&system, "once the views had all of them");
    exercise(system, PLANTED).await;
}
