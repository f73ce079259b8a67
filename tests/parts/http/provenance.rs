//! What events say of where they come from.

use serde_json::Value;
use tests::client::OrderClient;
use tests::embedded::Embedded;
use tests::orders;
use tests::stores::TempDir;
use uuid::Uuid;

/// The first event of an order.
async fn first_event(client: &OrderClient, order: Uuid) -> Value {
    client.get(&format!("/orders/{order}/events")).await.json()["events"][0].clone()
}

/// W3C Trace Context, section 3.2: one that can't be parsed is ignored.
#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_trace_is_not_kept_with_the_events() {
    let folder = TempDir::default();
    let system = Embedded::start(&folder).await;
    let commands = OrderClient::new(&system.commands);
    let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let none = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
    let long = "x".repeat(255);
    for (given, kept) in [(good, true), ("x", false), (none, false), (&long, false)] {
        let created = commands.with("traceparent", given).create_order(&orders::order(5)).await;
        assert_eq!(created.status, 201, "{given}: {:?}", created.body);
        let event = first_event(&commands, created.order_id()).await;
        assert_eq!(event["traceparent"].as_str(), kept.then_some(given), "{event}");
    }
    system.stop().await;
}
