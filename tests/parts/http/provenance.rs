//! What events say of where they come from.

use kernel::Timestamp;
use serde_json::{Value, json};
use shared::auth::Role::{Command, Query};
use tests::client::OrderClient;
use tests::embedded::Embedded;
use tests::orders;
use tests::stores::TempDir;
use tests::tokens::{Tokens, with};
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

const LONG_AGO: &str = "2001-01-01T00:00:00Z";

#[tokio::test(flavor = "multi_thread")]
async fn actor_time_and_version_of_an_event_are_none_that_a_client_sends() {
    let (folder, tokens) = (TempDir::default(), Tokens::default());
    let token = tokens.of("shop", &[Command, Query]);
    let system = Embedded::start_with(&folder, tokens.config()).await;
    let began = Timestamp::now();
    let mut client = OrderClient::new(&with(&system.commands, &token));
    for (name, value) in [
        ("x-actor", "ops"),
        ("x-principal", "ops"),
        ("x-forwarded-user", "ops"),
        ("from", "ops"),
        ("x-time", LONG_AGO),
        ("x-version", "7"),
    ] {
        client = client.with(name, value);
    }
    let created = client.create_order(&orders::order(5)).await;
    assert_eq!((created.status, created.version()), (201, 1));
    let order = created.order_id();
    for (name, value) in [
        ("actor", json!("ops")),
        ("at", json!(LONG_AGO)),
        ("time", json!(LONG_AGO)),
        ("version", json!(7)),
        ("position", json!(7)),
        ("meta", json!({ "actor": "ops" })),
    ] {
        let with_it = |mut body: Value| {
            body[name] = value.clone();
            body
        };
        let refused = client.create_order(&with_it(orders::order(5))).await;
        assert_eq!((refused.status, refused.problem().as_str()), (422, "validation"), "{name}");
        let refused = client.post_to(order, "payments", &with_it(json!({ "amount": 1 }))).await;
        assert_eq!((refused.status, refused.problem().as_str()), (422, "validation"), "{name}");
    }
    let events = client.get(&format!("/orders/{order}/events")).await.json();
    assert_eq!(events["events"].as_array().unwrap().len(), 1, "{events}");
    let event = first_event(&client, order).await;
    assert_eq!(
        (&event["actor"], &event["sequence"]),
        (&json!("shop"), &json!(format!("{:019}", 1)))
    );
    let time: Timestamp = serde_json::from_value(event["time"].clone()).unwrap();
    assert!(time >= began, "{event}");
    system.stop().await;
}
