//! Which requests are traced, and what is done where none is.

use http::Method;
use tests::live::LiveClient;
use tests::otlp::Collector;
use tests::services::{Service, System, Urls};
use tests::{Own, until};

use super::{CHAIN, create, is_whole, trace, until_told};

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A service sends its spans in the order in which they end: what was told before would be there.
#[tokio::test(flavor = "multi_thread")]
async fn of_none_of_all_requests_only_those_are_traced_whose_client_says_so() {
    let collector = Collector::start().await;
    let sampler =
        [("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0")];
    let variables = owned(&[collector.variables(), sampler].concat());
    let system = System::start_with(&Urls::of_the_run(), &variables, 1, 1).await;
    let commands = system.commands[0].api();
    let _live = LiveClient::open(&system.queries.client, "/live", None).await;
    let mut untraced = vec![];
    for _ in 0..20 {
        untraced.push(commands.create_lamp(5).await.order_id());
    }
    let (unsampled, traceparent) = trace(false);
    create(&commands, &traceparent).await;
    let (id, traceparent) = trace(true);
    create(&commands, &traceparent).await;
    is_whole(&until_told(&collector, &id, &CHAIN).await);
    let others: Vec<_> = collector.spans().into_iter().filter(|span| span.trace != id).collect();
    assert_eq!(others, [], "neither of {unsampled} nor of a trace that a service began");
    for order in untraced {
        let events = commands.get(&format!("/orders/{order}/events")).await.json();
        assert!(events["events"][0]["traceparent"].is_null(), "{events}");
    }
    system.remove().await;
}

/// Whether a thread of the process sends spans.
fn sends_spans(service: &Service) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{}/task", service.process.id())).unwrap();
    let mut names = threads.filter_map(|thread| {
        std::fs::read_to_string(thread.ok()?.path().join("comm")).ok() // One may end meanwhile.
    });
    names.any(|name| name.starts_with("OpenTelemetry"))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_sends_spans_where_that_is_not_asked_for() {
    let (own, collector) = (Own::default(), Collector::start().await);
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str());
    for (variables, expected) in [
        (vec![], false),
        (vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "")], false),
        (vec![endpoint, ("OTEL_SDK_DISABLED", "true")], false),
        (vec![endpoint, ("OTEL_TRACES_EXPORTER", "none")], false),
        (vec![endpoint], true),
    ] {
        let (urls, more) = (Urls::of_the_run(), owned(&variables));
        let service = Service::start_with("query-api", own.namespace.as_str(), &urls, &more);
        service.until_listening().await;
        service.client.send(Method::GET, "/orders", &[], "").await.unwrap();
        if expected {
            until("spans are sent", || async { sends_spans(&service).then_some(()) }).await;
        } else {
            assert!(!sends_spans(&service), "{variables:?}");
        }
        service.process.stop();
    }
    own.remove().await;
}
