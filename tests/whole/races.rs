//! Many clients on one order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tests::client::OrderClient;
use tests::services::{System, Urls};
use tests::until;
use waybill::client::Client;

/// Payments of 1 that each of 64 clients tries to make.
const EACH: usize = 4;

/// The healer repairs after two seconds what the live path has left out: what comes earlier came on
/// the live path, past the order that all clients race for.
const LIVE: Duration = Duration::from_secs(2);

/// 64 clients race; meanwhile others' orders reach the views, most of them without the healer's
/// help. Returns how many payments were acknowledged.
async fn race(system: &System) -> usize {
    let order = system.commands[0].api().create_lamp(1_000_000).await.order_id();
    let over = Arc::new(AtomicBool::new(false));
    let others =
        tokio::spawn(others(system.commands[0].api(), system.queries.client.clone(), over.clone()));
    let racers = (0..64).map(|racer| {
        let client = system.commands[racer % system.commands.len()].api();
        tokio::spawn(async move {
            let mut statuses = vec![];
            for _ in 0..EACH {
                let paid = tokio::time::timeout(Duration::from_secs(30), client.pay(order, 1));
                statuses.push(paid.await.expect("an answer in time").status);
            }
            statuses
        })
    });
    let mut counts: BTreeMap<u16, usize> = BTreeMap::new();
    for statuses in futures::future::join_all(racers).await {
        for status in statuses.unwrap() {
            *counts.entry(status).or_default() += 1;
        }
    }
    over.store(true, Ordering::SeqCst);
    let mut lags = others.await.unwrap();
    lags.sort_unstable();
    let median = lags[lags.len() / 2];
    assert!(median < LIVE, "others' orders were visible after {median:?}: {lags:?}");
    assert!(counts.keys().all(|status| [200, 409].contains(status)), "{counts:?}");
    let acknowledged = counts[&200];
    let events =
        system.commands[0].client.get(&format!("/orders/{order}/events?limit=1000")).await.unwrap();
    let events = events["events"].as_array().unwrap().clone();
    assert_eq!(events.len(), 1 + acknowledged, "every acknowledged payment is in the log once");
    acknowledged
}

/// How long each of other orders takes from its acknowledgement to its view.
async fn others(commands: OrderClient, queries: Client, over: Arc<AtomicBool>) -> Vec<Duration> {
    let mut lags = vec![];
    while !over.load(Ordering::SeqCst) || lags.is_empty() {
        let created = commands.create_lamp(1).await;
        let acknowledged = Instant::now();
        until("the order is visible", || async {
            queries.get(created.location()).await.ok().map(|_| ())
        })
        .await;
        lags.push(acknowledged.elapsed());
    }
    lags
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_clients_on_one_order_lose_nothing() {
    let system = System::start(&Urls::of_the_run(), 1, 2).await;
    assert_eq!(race(&system).await, 64 * EACH, "one process puts them in a row");
    system.verify().await;
    system.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_clients_on_one_order_through_two_command_apis_lose_nothing() {
    let system = System::start(&Urls::of_the_run(), 2, 2).await;
    assert!(race(&system).await > 0);
    system.verify().await;
    system.remove().await;
}
