//! What verification notices about lists.

use std::time::Duration;

use ::orders::view::names;
use kernel::log::StreamName;
use kernel::projection::Change;
use shared::view_store::{Applied, ViewStore as _};
use tests::orders;
use tests::services::{System, Urls};
use uuid::Uuid;
use waybill::verify::Report;

type Entries = Vec<(String, String)>;

/// Changes lists directly in Redis: no event leads to it.
async fn tamper(system: &System, enter: Entries, leave: Entries) {
    let views = system.own.redis().await;
    let live = views.live().await.unwrap().unwrap();
    let change = Change {
        traceparent: None,
        stream: StreamName::new("tampering", Uuid::new_v4()),
        base: 0,
        to: 1,
        position: 0,
        document: b"{}".to_vec(),
        sums: vec![],
        enter,
        leave,
        greatest_texts: vec![],
    };
    assert_eq!(views.apply(&live.id, &[change]).await.unwrap(), [Applied::Applied]);
}

async fn check(system: &System) -> Report {
    let (commands, queries) = (&system.commands[0].client, &system.queries.client);
    waybill::verify::check(commands, queries, Duration::ZERO).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_finds_an_order_that_one_list_lacks() {
    let system = System::start(&Urls::of_the_run(), 1, 1).await;
    let time = "2026-01-02T03:04:05.000Z";
    let order = orders::placed_at(time, orders::order(5));
    let id = system.commands[0].api().create_order(&order).await.order_id();
    system.verify().await;
    let entry = format!("{time}{id}");
    for list in [
        names::ORDERS.to_owned(),
        names::orders_by_status("created"),
        names::orders_by_customer("c"),
        names::orders_by_both("created", "c"),
    ] {
        let entry = vec![(list.clone(), entry.clone())];
        tamper(&system, vec![], entry.clone()).await;
        let report = check(&system).await;
        assert!(!report.differences.is_empty() || report.behind > 0, "{list}: {report:#?}");
        tamper(&system, entry, vec![]).await;
        system.verify().await;
    }
    system.remove().await;
}
