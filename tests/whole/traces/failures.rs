//! Spans of work that failed.

use kernel::log::{Commit, Entry, Meta, StreamName};
use shared::event_store::EventStore as _;
use tests::orders;
use tests::otlp::{Collector, Span};
use tests::services::Urls;
use tests::until;
use xtask::servers::Servers;

use super::{create, named, trace, traced};

/// Waits for a span of this name that failed, and returns what it says.
async fn until_failed(collector: &Collector, trace: &str, name: &str) -> (Span, String) {
    until(&format!("a failed {name} is told of {trace}"), || async {
        let spans = collector.trace(trace);
        let failed = spans.into_iter().filter(|span| span.name == name);
        failed.into_iter().find_map(|span| Some((span.clone(), span.error?)))
    })
    .await
}

async fn until_done(collector: &Collector, trace: &str, name: &str) -> Span {
    until(&format!("a {name} without error is told of {trace}"), || async {
        let mut spans = collector.trace(trace).into_iter();
        spans.find(|span| span.name == name && span.error.is_none())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_of_messages_and_appends_that_fail_are_errors_and_refusals_are_none() {
    let collector = Collector::start().await;
    let mut servers = Servers::start().expect("private servers start");
    let system = traced(&Urls::of(&servers), &collector).await;
    let commands = system.commands[0].api();

    servers.rabbitmq.process.kill();
    let (id, traceparent) = trace(true);
    create(&commands, &traceparent).await;
    let (publish, why) = until_failed(&collector, &id, "publish").await;
    assert!(!why.is_empty());
    assert_eq!(publish.attribute("error.type"), Some("_OTHER"));
    assert_eq!(publish.parent, named(&collector.trace(&id), "POST /orders").id);
    servers.rabbitmq.restart().unwrap();
    until_done(&collector, &id, "publish").await;
    until_done(&collector, &id, "append").await;

    // A refusal is the client's.
    let (id, traceparent) = trace(true);
    let client = commands.with("traceparent", &traceparent);
    assert_eq!(client.send(http::Method::POST, "/orders", "{}").await.status, 415);
    let request = until_done(&collector, &id, "POST /orders").await;
    assert_eq!(request.attribute("http.response.status_code"), Some("415"));
    assert_eq!(request.attribute("error.type"), None);

    servers.mongodb.process.kill();
    let (id, traceparent) = trace(true);
    let client = commands.with("traceparent", &traceparent);
    let refused = client.try_create_order(&orders::order(5)).await.unwrap();
    assert_eq!(refused.status, 503);
    let (_, why) = until_failed(&collector, &id, "append").await;
    assert!(!why.is_empty());
    let (request, _) = until_failed(&collector, &id, "POST /orders").await;
    assert_eq!(request.attribute("error.type"), Some("503"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_span_of_an_event_that_is_parked_says_why() {
    let collector = Collector::start().await;
    let system = traced(&Urls::of_the_run(), &collector).await;
    let (id, traceparent) = trace(true);
    let order = create(&system.commands[0].api(), &traceparent).await;
    let created = until_done(&collector, &id, "apply").await;
    let stream = StreamName::new("order", order);
    assert_eq!(created.attribute("waybill.stream"), Some(&stream.to_string()[..]));

    let (id, traceparent) = trace(true);
    let store = system.own.mongodb().await;
    let position = store.head().await.unwrap() + 1;
    let meta = Meta { traceparent: Some(traceparent), ..Meta::default() };
    let unreadable = orders::commit(position, &stream, 2, &orders::unreadable());
    store.insert(&[Entry::Commit(Commit { meta, ..unreadable })]).await.unwrap();
    // The healer may be first.
    let (span, why) = until("it is told", || async {
        let failed = collector.trace(&id).into_iter().filter(|span| span.error.is_some());
        let mut of_views = failed.filter(|span| ["apply", "heal"].contains(&span.name.as_str()));
        let span = of_views.next()?;
        Some((span.clone(), span.error?))
    })
    .await;
    assert!(why.starts_with("parked: "), "{why}");
    assert_eq!(span.attribute("waybill.version"), Some("2"));
    assert!(collector.trace(&id).iter().all(|span| span.name == "publish" || span.error.is_some()));
    system.remove().await;
}
