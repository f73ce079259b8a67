//! Bad requests of any kind: a clear problem, never a 5xx, and nothing happens.

use std::sync::Arc;

use http::Method;
use proptest::prelude::*;
use serde_json::{Value, json};
use tests::client::{Answer, OrderClient};
use tests::embedded::Embedded;
use tests::orders::{self, item};
use tests::stores::TempDir;
use uuid::Uuid;

fn order() -> Value {
    orders::order(100)
}

/// The order with one field replaced.
fn with(field: &str, value: Value) -> String {
    let mut order = order();
    order[field] = value;
    order.to_string()
}

fn item_with(field: &str, value: Value) -> String {
    let mut order = order();
    order["items"][0][field] = value;
    order.to_string()
}

fn check(what: &str, answer: &Answer, status: u16, kind: &str, tells: &str) {
    let body = answer.json();
    assert_eq!(answer.status, status, "{what}: {body}");
    assert_eq!(body["type"], format!("/problems/{kind}"), "{what}: {body}");
    assert_eq!(body["status"], status, "{what}: {body}");
    let detail = body["detail"].as_str().unwrap();
    assert!(detail.contains(tells), "{what}: {body} tells nothing of {tells}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{what}");
}

/// A path, a body, and the status, the type and a part of the detail that it is answered with.
type Post = (&'static str, String, u16, &'static str, &'static str);

fn bad_posts() -> Vec<Post> {
    let max = (1_i64 << 53) - 1;
    let large = json!([item("A", max, 1), item("B", 1, 1)]);
    let twice = json!([order()["items"][0], order()["items"][0]]);
    let twice_in_an_item =
        order().to_string().replace("\"quantity\":", "\"quantity\":2,\"quantity\":");
    vec![
        ("/orders", "{".to_owned(), 400, "malformed", "no JSON"),
        ("/orders", "\u{fffd}".to_owned(), 400, "malformed", "no JSON"),
        ("/orders", "[".repeat(60_000), 400, "malformed", "no JSON"),
        ("/orders", twice_in_an_item, 400, "malformed", "\"quantity\" comes twice"),
        ("/orders", "[]".to_owned(), 422, "validation", "object"),
        ("/orders", "{}".to_owned(), 422, "validation", "customer_id"),
        ("/orders", with("colour", json!("red")), 422, "validation", "colour"),
        ("/orders", with("type", json!("CancelOrder")), 422, "validation", "type"),
        ("/orders", with("order_id", json!("7")), 422, "validation", "UUID"),
        ("/orders", with("order_id", json!(7)), 422, "validation", "UUID"),
        ("/orders", with("customer_id", json!("")), 422, "validation", "customer_id"),
        ("/orders", with("customer_id", json!("x".repeat(129))), 422, "validation", "128"),
        ("/orders", with("customer_id", json!("a\u{0}b")), 422, "validation", "control"),
        ("/orders", with("currency", json!("euro")), 422, "validation", "ISO 4217"),
        ("/orders", with("items", json!([])), 422, "validation", "at least one"),
        ("/orders", with("items", json!({})), 422, "validation", "items"),
        ("/orders", with("items", twice), 422, "validation", "twice"),
        ("/orders", with("items", large), 422, "validation", "1000000 units"),
        ("/orders", item_with("unit_price", json!(max)), 422, "validation", "1000000000000"),
        ("/orders", with("placed_at", json!("yesterday")), 422, "validation", "RFC 3339"),
        ("/orders", item_with("quantity", json!(0)), 422, "validation", "items[0].quantity"),
        ("/orders", item_with("quantity", json!(1.5)), 422, "validation", "items[0].quantity"),
        ("/orders", item_with("quantity", json!("1")), 422, "validation", "items[0].quantity"),
        ("/orders", item_with("unit_price", json!(-1)), 422, "validation", "unit_price"),
        ("/orders", item_with("unit_price", json!(u64::MAX)), 422, "validation", "unit_price"),
        ("/orders", item_with("unit_price", json!(1e300)), 422, "validation", "unit_price"),
        ("/orders", with("x", json!("y".repeat(2 << 20))), 413, "too-large", "65536"),
        ("/orders", with("x", json!("y".repeat(64 << 10))), 413, "too-large", "65536"),
        ("/commands", with("x", json!("y".repeat(2 << 20))), 413, "too-large", "1048576"),
        ("/orders/7/payments", json!({ "amount": 1 }).to_string(), 422, "validation", "UUID"),
        ("/orders/%ff/payments", String::new(), 400, "malformed", "UTF-8"),
        ("/orders/x/nothing", String::new(), 404, "not-found", "path"),
        ("/nothing", String::new(), 404, "not-found", "path"),
        ("/commands", "{}".to_owned(), 422, "validation", "array"),
        ("/commands", json!(vec![1; 1_001]).to_string(), 422, "validation", "1000"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_commands_get_a_problem_that_says_what_was_expected() {
    let folder = TempDir::default();
    let system = Embedded::start(&folder).await;
    let commands = OrderClient::new(&system.commands);
    for (path, body, status, kind, tells) in bad_posts() {
        let what = format!("POST {path} {}", &body[..body.len().min(80)].escape_debug());
        check(&what, &commands.post(path, body).await, status, kind, tells);
    }
    let answer = commands.pay(Uuid::new_v4(), 1).await;
    check("an unknown order", &answer, 404, "order-not-found", "no order");
    let headers: [(&str, &str, &str); 4] = [
        ("idempotency-key", "", "Idempotency-Key"),
        ("idempotency-key", "\"\"", "Idempotency-Key"),
        ("if-match", "3", "If-Match"),
        ("if-match", "W/\"3\"", "If-Match"),
    ];
    for (name, value, tells) in headers {
        let answer = commands.with(name, value).create_order(&order()).await;
        check(&format!("{name}: {value}"), &answer, 400, "malformed", tells);
    }
    let put = commands.send(Method::PUT, "/orders", "").await;
    check("PUT /orders", &put, 405, "method-not-allowed", "POST");
    assert_eq!(put.header("allow"), Some("POST"));
    let foreign = commands.with("origin", "https://elsewhere.example");
    for path in ["/orders", "/commands"] {
        let answer = foreign.post(path, order().to_string()).await;
        check(path, &answer, 403, "cross-origin", "Origin");
    }
    let head = commands.send(Method::HEAD, "/events", "").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    let feed = commands.get("/events").await.json();
    drop((commands, foreign));
    assert_eq!(feed["head"], 0, "nothing of all this happened");
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn how_many_fields_are_wrong_is_told_where_not_all_are_listed() {
    let folder = TempDir::default();
    let system = Embedded::start(&folder).await;
    let commands = OrderClient::new(&system.commands);
    let answer = commands.post("/orders", with("items", json!(vec![json!({}); 60]))).await;
    check("60 empty items", &answer, 422, "validation", "240 fields are wrong");
    let told = answer.json();
    assert_eq!(told["errors"].as_array().map(Vec::len), Some(100), "{told}");
    assert_eq!(told["errors_left_out"], 140, "{told}");
    let answer = commands.post("/orders", with("items", json!(vec![json!({}); 25]))).await;
    check("25 empty items", &answer, 422, "validation", "100 fields are wrong");
    assert_eq!(answer.json()["errors_left_out"], Value::Null, "all are listed");
    let twice_wrong = with("items", json!(vec![item(&"\u{7f}".repeat(129), 1, 1); 60]));
    let answer = commands.post("/orders", twice_wrong).await;
    check("60 bad names", &answer, 422, "validation", "(60 fields are wrong");
    drop(commands);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_order_does_not_allow_is_refused_by_name() {
    let folder = TempDir::default();
    let system = Embedded::start(&folder).await;
    let commands = OrderClient::new(&system.commands);
    let id = commands.create_order(&order()).await.order_id();
    let again = commands.create_order(&orders::to(id, order())).await;
    check("the same order", &again, 409, "order-exists", &id.to_string());
    for (path, body, rule) in [
        ("payments", json!({ "amount": 101 }), "overpayment"),
        ("refunds", json!({ "amount": 1 }), "over-refund"),
        ("shipments", json!({}), "not-paid-in-full"),
        ("deliveries", json!({}), "nothing-to-deliver"),
        ("items", order()["items"][0].clone(), "item-exists"),
    ] {
        let answer = commands.post_to(id, path, &body).await;
        check(path, &answer, 409, "illegal-transition", "");
        assert_eq!(answer.json()["rule"], rule);
    }
    let removed = commands.send(Method::DELETE, &format!("/orders/{id}/items/A"), "").await;
    check("the last item", &removed, 409, "illegal-transition", "at least one");
    assert_eq!(commands.get("/events").await.json()["head"], 1);
    drop(commands);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_body_of_a_delete_is_not_looked_at() {
    let folder = TempDir::default();
    let system = Embedded::start(&folder).await;
    let commands = OrderClient::new(&system.commands);
    let order = orders::order_of(&["A", "B", "C", "D"].map(|sku| item(sku, 1, 5)));
    let id = commands.create_order(&order).await.order_id();
    let coded = commands.with("content-encoding", "gzip");
    let bodies = [
        (&commands, "A", "x".repeat(70_000)),
        (&commands, "B", r#"{"colour": "red"}"#.to_owned()),
        (&coded, "C", "x".to_owned()),
    ];
    for (client, sku, body) in bodies {
        let removed = client.send(Method::DELETE, &format!("/orders/{id}/items/{sku}"), body).await;
        assert_eq!(removed.status, 200, "{sku}: {:?}", removed.body);
    }
    drop((commands, coded));
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_questions_get_a_problem_that_says_what_was_expected() {
    let folder = TempDir::default();
    let system = Embedded::start(&folder).await;
    let (queries, none) = (OrderClient::new(&system.queries), Uuid::new_v4());
    let questions: Vec<(String, u16, &str, &str)> = vec![
        ("/nothing".to_owned(), 404, "not-found", "path"),
        (format!("/orders/{none}"), 404, "order-not-found", "no order"),
        ("/orders/7".to_owned(), 404, "order-not-found", "7"),
        ("/customers/absent".to_owned(), 404, "customer-not-found", "absent"),
        ("/orders?limit=0".to_owned(), 400, "malformed", "1000"),
        ("/orders?limit=1001".to_owned(), 400, "malformed", "1000"),
        ("/orders?limit=ten".to_owned(), 400, "malformed", "ten"),
        ("/orders?status=lost".to_owned(), 400, "malformed", "cancelled"),
        ("/orders?colour=red".to_owned(), 400, "malformed", "customer_id"),
        ("/orders?cursor=x".to_owned(), 400, "malformed", "next"),
        ("/orders?from=yesterday".to_owned(), 400, "malformed", "2026-01-31T08:00:00Z"),
        ("/orders?from=2026-02-01&to=2026-01-31".to_owned(), 400, "malformed", "not before"),
        ("/customers?limit=1001".to_owned(), 400, "malformed", "1000"),
        ("/customers?limit=0".to_owned(), 400, "malformed", "1000"),
        ("/customers?currency=euro".to_owned(), 400, "malformed", "EUR"),
        ("/stats/daily?from=yesterday".to_owned(), 400, "malformed", "2026-01-31"),
        ("/stats/daily?from=2026-02-01&to=2026-01-01".to_owned(), 400, "malformed", "not before"),
        ("/stats?x=1".to_owned(), 400, "malformed", "none"),
    ];
    for (question, status, kind, tells) in questions {
        let answer = queries.get(&question).await;
        check(&question, &answer, status, kind, tells);
    }
    for path in ["/nothing", "/assets/no/such/file"] {
        for method in [Method::POST, Method::DELETE, Method::OPTIONS] {
            let answer = queries.send(method, path, "").await;
            check(path, &answer, 404, "not-found", "path");
        }
    }
    let head = queries.send(Method::HEAD, "/stats", "").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    for token in ["nonsense", "L.1", "L.1@", ".1"] {
        let answer = queries.with_token(token).get("/stats").await;
        check(token, &answer, 400, "malformed", "Consistency-Token");
    }
    let answer = queries.with_token("0f8fad5bd9cb469fa16570867728950e.5").get("/stats").await;
    drop(queries);
    check("a token", &answer, 410, "cursor-of-another-log", "another log");
    system.stop().await;
}

/// JSON of any shape, often one that is nearly a command.
fn nearly() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        ".*".prop_map(Value::from),
        prop::sample::select(vec!["CreateOrder", "ProcessPayment", "ShipProducts", "EUR", "A"])
            .prop_map(Value::from),
    ];
    let name = prop::sample::select(vec![
        "type",
        "order_id",
        "customer_id",
        "currency",
        "items",
        "sku",
        "quantity",
        "unit_price",
        "amount",
        "placed_at",
        "idempotency_key",
        "other",
    ]);
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..8).prop_map(|fields| fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_sent_makes_a_service_fail() {
    let folder = TempDir::default();
    let system = Arc::new(Embedded::start(&folder).await);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 300,
        ..ProptestConfig::default()
    });
    let handle = tokio::runtime::Handle::current();
    let client = system.commands.clone();
    let ran = tokio::task::spawn_blocking(move || {
        runner.run(
            &(nearly(), prop::sample::select(vec!["/orders", "/commands", "/orders/x/payments"])),
            |(body, path)| {
                let answer = handle.block_on(client.post(path, &[], body.to_string())).unwrap();
                prop_assert!(!answer.status.is_server_error(), "{path} {body}: {}", answer.status);
                prop_assert!(answer.json().is_ok(), "{path} {body}");
                Ok(())
            },
        )
    });
    ran.await.unwrap().unwrap();
    Arc::into_inner(system).unwrap().stop().await;
}
