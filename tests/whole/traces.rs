//! One trace from the request through log, exchange and views to the live update, at a real receiver of
//! OTLP.

mod failures;
mod sampling;

use http::Method;
use kernel::log::StreamName;
use serde_json::Value;
use tests::client::OrderClient;
use tests::descriptions::{example_request, openapi, operations};
use tests::live::LiveClient;
use tests::orders;
use tests::otlp::{Collector, Span};
use tests::services::{Service, System, Urls};
use tests::torture::recorder::Recorder;
use tests::until;
use uuid::Uuid;
use xtask::servers::Servers;

/// A client's trace: its id, and the `traceparent` of a request.
fn trace(sampled: bool) -> (String, String) {
    let id = Uuid::new_v4().simple().to_string();
    let traceparent = format!("00-{id}-00f067aa0ba902b7-0{}", u8::from(sampled));
    (id, traceparent)
}

/// Creates an order as part of a trace.
async fn create(commands: &OrderClient, traceparent: &str) -> Uuid {
    commands.with("traceparent", traceparent).create_lamp(5).await.order_id()
}

/// Waits until the trace has a span of each of these names, and returns all of it.
async fn until_told(collector: &Collector, trace: &str, names: &[&str]) -> Vec<Span> {
    until(&format!("{names:?} are told of {trace}"), || async {
        let spans = collector.trace(trace);
        let is_told = |name: &&str| spans.iter().any(|span| span.name == **name);
        names.iter().all(is_told).then_some(spans)
    })
    .await
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    spans.iter().find(|span| span.name == name).expect("a span of this name")
}

/// Everything that happened to the request is a child of its span, which goes on with the client's.
fn is_whole(spans: &[Span]) {
    let request = named(spans, "POST /orders");
    assert_eq!(
        (request.parent.as_str(), request.service.as_str()),
        ("00f067aa0ba902b7", "command-api")
    );
    assert_eq!(request.attribute("http.response.status_code"), Some("201"));
    for span in spans.iter().filter(|span| *span != request) {
        assert_eq!(span.parent, request.id, "{span:?}");
    }
}

const CHAIN: [&str; 5] = ["POST /orders", "append", "publish", "apply", "tell"];

async fn traced(urls: &Urls, collector: &Collector) -> System {
    let mut system = System::start(urls, 1, 1).await;
    let variables = collector.variables();
    let all = system.commands.iter_mut().chain(&mut system.projectors);
    for service in all.chain([&mut system.queries]) {
        service.process.stop();
        service.restart_with(&variables);
    }
    system.until_ready().await;
    system
}

/// Whatever is asked for, and whatever the answer is. Probes and Prometheus have no spans.
async fn every_request_goes_on_with_its_trace(collector: &Collector, services: [&Service; 3]) {
    let mut asked = vec![];
    for service in services {
        let document = openapi(&service.client).await;
        for (path, method, operation) in operations(&document) {
            let (id, traceparent) = trace(true);
            let (filled, body) = example_request(path, operation, "");
            // No answer is of this type: it is refused, and nothing is done.
            let headers = [("traceparent", traceparent.as_str()), ("accept", "image/x-none")];
            let sent: Method = method.to_uppercase().parse().unwrap();
            let body = body.unwrap_or_default();
            let answer = service.client.send(sent, &filled, &headers, body).await.unwrap();
            let status = answer.status.as_u16();
            if !["/livez", "/readyz", "/metrics"].contains(&path) {
                assert!((400..500).contains(&status), "{method} {filled}: {status}");
                asked.push((id, format!("{method} {path}")));
            }
        }
    }
    assert!(asked.len() > 40, "{asked:?}");
    until("every request is told", || async {
        let spans = collector.spans();
        let is_told = |(id, _): &(String, String)| {
            spans.iter().any(|span| span.trace == *id && span.parent == "00f067aa0ba902b7")
        };
        asked.iter().all(is_told).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_leads_from_the_request_to_the_live_update() {
    let collector = Collector::start().await;
    let system = traced(&Urls::of_the_run(), &collector).await;
    let commands = system.commands[0].api();
    let _live = LiveClient::open(&system.queries.client, "/live", None).await;
    let (unsampled, traceparent) = trace(false);
    create(&commands, &traceparent).await;
    let (id, traceparent) = trace(true);
    let order = create(&commands, &traceparent).await;
    let spans = until_told(&collector, &id, &CHAIN).await;
    is_whole(&spans);
    assert!(spans.iter().all(|span| span.error.is_none()), "{spans:?}");
    let stream = StreamName::new("order", order).to_string();
    for (name, service) in [
        ("append", "command-api"),
        ("publish", "command-api"),
        ("apply", "projector"),
        ("tell", "query-api"),
    ] {
        let span = named(&spans, name);
        assert_eq!(
            (span.service.as_str(), span.attribute("waybill.stream")),
            (service, Some(&stream[..]))
        );
    }
    let events = commands.get(&format!("/orders/{order}/events")).await.json();
    let kept = events["events"][0]["traceparent"].as_str().unwrap();
    let request = named(&spans, "POST /orders");
    assert_eq!(kept, format!("00-{id}-{}-01", request.id), "events name the request's span");
    assert_eq!(collector.trace(&unsampled), [], "the client decides");

    // Without a trace of the client's the service begins one.
    let own = commands.create_lamp(5).await.order_id().to_string();
    until("it is told", || async {
        let stream = format!("order-{own}");
        let is_it = |span: &Span| {
            span.name == "apply" && span.attribute("waybill.stream") == Some(&stream[..])
        };
        collector.spans().iter().any(is_it).then_some(())
    })
    .await;
    let read = system.queries.client.send(Method::GET, "/readyz", &[], "").await.unwrap();
    assert!(read.status.is_success());
    assert!(!collector.spans().iter().any(|span| span.name.contains("readyz")));
    let services = [&system.commands[0], &system.queries, &system.projectors[0]];
    every_request_goes_on_with_its_trace(&collector, services).await;
    system.remove().await;
}

/// Also where no traces are recorded: the process that gets the message may.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_carries_the_trace_of_its_first_event_that_has_one_as_a_header() {
    let system = System::start(&Urls::of_the_run(), 1, 1).await;
    let recorder =
        Recorder::bind(&Urls::of_the_run().rabbitmq, system.own.namespace.as_str()).await;
    let commands = system.commands[0].api();
    let next = || async { until("a message is there", || recorder.next_traced()).await };
    commands.create_lamp(5).await;
    let (header, events) = next().await;
    assert_eq!((header, events[0].get("traceparent")), (None, None));
    let (_, traceparent) = trace(true);
    create(&commands, &traceparent).await;
    let (header, events) = next().await;
    assert_eq!(header.as_deref(), Some(&traceparent[..]));
    assert_eq!(events[0]["traceparent"], traceparent[..]);
    recorder.remove().await;
    system.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_several_requests_share_is_linked_to_each() {
    let collector = Collector::start().await;
    let system = traced(&Urls::of_the_run(), &collector).await;
    let (id, traceparent) = trace(true);
    let command = |_| {
        let mut order = orders::order(5);
        order["type"] = "CreateOrder".into();
        order
    };
    let batch: Vec<Value> = (0..20).map(command).collect();
    let commands = system.commands[0].api().with("traceparent", &traceparent);
    assert!(commands.batch(&batch).await.is_success());
    // Each service sends its spans by itself, in any order.
    until("all of the batch is told", || async {
        let spans = collector.trace(&id);
        let are = |name| spans.iter().filter(|span| span.name == name).count() >= 20;
        let appends = spans.iter().filter(|span| span.name == "append");
        let links: usize = appends.map(|span| span.links.len()).sum();
        let linked = collector.spans().into_iter().filter(|span| span.name == "append together");
        let linked: usize = linked.map(|span| span.links.len()).sum();
        (are("append") && are("apply") && linked >= links.max(1)).then_some(())
    })
    .await;
    let spans = collector.trace(&id);
    let appends: Vec<&Span> = spans.iter().filter(|span| span.name == "append").collect();
    assert_eq!(appends.len(), 20, "one for each commit");
    let all = collector.spans();
    let groups: Vec<&Span> = all.iter().filter(|span| span.name == "append together").collect();
    assert!(!groups.is_empty());
    for group in &groups {
        assert!(group.trace != id && !group.links.is_empty());
        assert!(group.links.iter().all(|(trace, _)| *trace == id), "{group:?}");
    }
    for append in appends {
        let is_of = |group: &&&Span| append.links == [(group.trace.clone(), group.id.clone())];
        assert!(append.links.is_empty() || groups.iter().any(|group| is_of(&group)), "{append:?}");
    }
    system.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_on_after_a_kill_and_after_a_rebuild() {
    let collector = Collector::start().await;
    let servers = Servers::start().expect("private servers start");
    let mut system = traced(&Urls::of(&servers), &collector).await;
    let variables = collector.variables();
    let mut live = LiveClient::open(&system.queries.client, "/live", None).await;
    servers.rabbitmq.process.signal("STOP");
    let (id, traceparent) = trace(true);
    create(&system.commands[0].api(), &traceparent).await;
    until_told(&collector, &id, &CHAIN[..2]).await;
    for service in [&mut system.commands[0], &mut system.projectors[0]] {
        service.process.kill();
    }
    servers.rabbitmq.process.signal("CONT");
    system.commands[0].restart_with(&variables);
    system.projectors[0].restart_with(&variables);
    // The healer may be first.
    until_told(&collector, &id, &["POST /orders", "append", "publish", "tell"]).await;
    until("it is applied or healed", || async {
        let is_it = |span: &Span| ["apply", "heal"].contains(&span.name.as_str());
        collector.trace(&id).iter().any(is_it).then_some(())
    })
    .await;
    is_whole(&collector.trace(&id));

    let rebuild = system.projectors[0].api().post("/rebuild", "").await;
    assert_eq!(rebuild.status, 202);
    until("the new views are live", || async {
        let all = system.projectors[0].get("/generations").await;
        let items = all["items"].as_array()?.clone();
        items
            .iter()
            .any(|one| one["live"] == true && one["id"] == rebuild.json()["id"])
            .then_some(())
    })
    .await;
    is_whole(&collector.trace(&id));
    live.next("reset").await; // From here on the new views are told.
    let (id, traceparent) = trace(true);
    create(&system.commands[0].api(), &traceparent).await;
    is_whole(&until_told(&collector, &id, &CHAIN).await);
}
