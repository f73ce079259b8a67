//! Pages of orders: what is on them, and how large they become.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::collections::BTreeMap;

use kernel::log::{LogId, StreamName};
use kernel::projection::Change;
use kernel::query::{Queries as _, Question, Reply};
use orders::OrderQueries;
use orders::view::names;
use serde_json::{Value, json};
use shared::view_store::memory::Memory;
use shared::view_store::{Generation, GenerationViews, ViewStore as _};
use uuid::Uuid;

struct Subject {
    views: Memory,
    generation: Generation,
}

impl Subject {
    async fn new() -> Self {
        let (views, generation) = (Memory::default(), Generation::new(LogId::random(), 2));
        views.begin(&generation).await.unwrap();
        views.promote(None, &generation.id).await.unwrap();
        Self { views, generation }
    }

    /// An order in the lists of `listed`, whose document says what it says.
    async fn order(&self, number: u128, listed: &str, document: Value) {
        self.order_at("2026-01-02T03:04:05.000Z", number, listed, document).await;
    }

    async fn order_at(&self, at: &str, number: u128, listed: &str, document: Value) {
        let id = Uuid::from_u128(number);
        let entry = format!("{at}{id}");
        let lists = [
            names::ORDERS.to_owned(),
            names::orders_by_status(listed),
            names::orders_by_customer("c"),
            names::orders_by_both(listed, "c"),
        ];
        let change = Change {
            traceparent: None,
            stream: StreamName::new("order", id),
            base: 0,
            to: 7,
            position: 7,
            document: document.to_string().into_bytes(),
            sums: vec![],
            enter: lists.map(|list| (list, entry.clone())).to_vec(),
            leave: vec![],
            greatest_texts: vec![],
        };
        self.views.apply(&self.generation.id, &[change]).await.unwrap();
    }

    async fn ask(&self, parameters: &[(&str, &str)]) -> (Value, Reply) {
        let pairs =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let question = Question {
            path: vec!["orders".to_owned()],
            parameters: BTreeMap::from_iter(pairs),
            owner: None,
        };
        let views = GenerationViews::new(&self.views, &self.generation.id);
        match OrderQueries.answer(&views, &question).await {
            Ok(Some(reply)) => (serde_json::from_slice(&reply.body).unwrap(), reply),
            other => panic!("{other:?}"),
        }
    }
}

fn document(number: u128, status: &str) -> Value {
    json!({ "order_id": Uuid::from_u128(number), "status": status, "customer_id": "c" })
}

/// The list and the documents are two reads: an order may be paid between them.
#[tokio::test]
async fn an_order_that_is_paid_meanwhile_is_not_shown_as_created() {
    let subject = Subject::new().await;
    for (number, status) in [(1, "created"), (2, "paid"), (3, "created")] {
        subject.order(number, "created", document(number, status)).await;
    }
    for asked in [&[("status", "created")][..], &[("status", "created"), ("customer_id", "c")]] {
        let (page, reply) = subject.ask(asked).await;
        assert_eq!(page["items"], json!([document(3, "created"), document(1, "created")]));
        assert_eq!(reply.shows.len(), 2, "it tells of what it shows");
        // What was dropped counts towards the page: fewer are on it, and none is passed over.
        let limited: Vec<(&str, &str)> = asked.iter().copied().chain([("limit", "2")]).collect();
        let (page, _) = subject.ask(&limited).await;
        assert_eq!(page["items"], json!([document(3, "created")]));
        let next = page["next"].as_str().unwrap();
        let rest: Vec<(&str, &str)> = asked.iter().copied().chain([("cursor", next)]).collect();
        let (page, _) = subject.ask(&rest).await;
        assert_eq!(page["items"], json!([document(1, "created")]));
        assert_eq!(page["next"], Value::Null);
    }
    let (page, _) = subject.ask(&[]).await;
    assert_eq!(page["items"].as_array().unwrap().len(), 3, "all of them, where no status is asked");
    let other = &[("status", "created"), ("customer_id", "d")];
    assert_eq!(subject.ask(other).await.0["items"], json!([]));
}

#[tokio::test]
async fn a_page_is_cut_where_it_becomes_large() {
    let subject = Subject::new().await;
    const ORDERS: u128 = 130;
    for number in 0..ORDERS {
        let mut document = document(number, "created");
        document["name"] = json!("x".repeat(50_000));
        subject.order(number, "created", document).await;
    }
    let (mut shown, mut cursor, mut pages) = (vec![], None::<String>, 0);
    loop {
        let mut parameters = vec![("limit", "1000"), ("status", "created")];
        parameters.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let (page, reply) = subject.ask(&parameters).await;
        assert!(reply.body.len() <= (1 << 20) + 100, "{} bytes", reply.body.len());
        let items = page["items"].as_array().unwrap().clone();
        assert!(!items.is_empty());
        assert_eq!(items.len(), reply.shows.len());
        shown.extend(items.into_iter().map(|item| item["order_id"].clone()));
        pages += 1;
        match page["next"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    let all: Vec<Value> = (0..ORDERS).rev().map(|number| json!(Uuid::from_u128(number))).collect();
    assert_eq!((shown, pages), (all, 7), "each once, 20 to a page");
}

/// One that is larger than a page still is on one.
#[tokio::test]
async fn no_order_is_too_large_for_a_page() {
    let subject = Subject::new().await;
    for number in [1, 2] {
        let mut document = document(number, "created");
        document["name"] = json!("x".repeat(2 << 20));
        subject.order(number, "created", document).await;
    }
    let (page, _) = subject.ask(&[]).await;
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    let (page, _) = subject.ask(&[("cursor", page["next"].as_str().unwrap())]).await;
    assert_eq!((page["items"].as_array().unwrap().len(), &page["next"]), (1, &Value::Null));
}

#[tokio::test]
async fn orders_are_found_by_when_they_were_placed() {
    let subject = Subject::new().await;
    let times =
        ["2025-12-31T23:59:59.999Z", "2026-01-01T00:00:00.000Z", "2026-01-01T12:30:00.000Z"];
    let later = ["2026-01-01T23:59:59.999Z", "2026-01-02T00:00:00.000Z"];
    for (at, number) in times.into_iter().chain(later).zip(1..) {
        subject.order_at(at, number, "created", document(number, "created")).await;
    }
    let found = async |parameters: &[(&str, &str)]| {
        let (page, _) = subject.ask(parameters).await;
        let items = page["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["order_id"].clone()).collect::<Vec<_>>()
    };
    let orders = |numbers: &[u128]| {
        numbers.iter().map(|number| json!(Uuid::from_u128(*number))).collect::<Vec<_>>()
    };
    let day = ("to", "2026-01-01");
    for (asked, expected) in [
        (&[("from", "2026-01-01"), day][..], &[4, 3, 2][..]),
        (&[("from", "2026-01-01T12:30:00Z")], &[5, 4, 3]),
        (&[("from", "2026-01-01T12:30:00.001Z"), day], &[4]),
        (&[("to", "2026-01-01T13:30:00+01:00"), ("status", "created")], &[3, 2, 1]),
        (&[("from", "2026-01-03")], &[]),
    ] {
        assert_eq!(found(asked).await, orders(expected), "{asked:?}");
    }
    // The pages of a range do not leave it.
    let (page, _) = subject.ask(&[("from", "2026-01-01"), day, ("limit", "2")]).await;
    let next = page["next"].as_str().unwrap();
    let rest = found(&[("from", "2026-01-01"), day, ("limit", "2"), ("cursor", next)]).await;
    assert_eq!(rest, orders(&[2]));
}
