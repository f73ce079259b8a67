//! The key of a collector of traces is told nowhere: neither one in its URL nor one in the headers.

use http::Method;
use tests::otlp::Collector;
use tests::services::{Service, Urls};
use tests::stores::TempDir;
use tests::{Own, until};
use xtask::servers::Port;

use super::assert_untold;

/// Bytes that stand in both keys, in what is sent and in what is configured.
const KEY: &str = "c2VzYW1l-open";

/// A query-api that sends its spans to this URL, with the key in a header that a file holds.
fn start(own: &Own, folder: &TempDir, endpoint: &str) -> Service {
    let file = folder.0.join("headers");
    std::fs::write(&file, format!("api-key={KEY}\n")).unwrap();
    let more = [
        ("WAYBILL_LOG", "trace".to_owned()),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint.to_owned()),
        ("OTEL_EXPORTER_OTLP_HEADERS_FILE", file.display().to_string()),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "300".to_owned()),
        ("OTEL_BSP_SCHEDULE_DELAY", "50".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    Service::start_with("query-api", own.namespace.as_str(), &Urls::of_the_run(), &more)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_a_collector_is_told_nowhere_when_it_is_away_or_refuses() {
    let (own, folder, collector) = (Own::default(), TempDir::default(), Collector::start().await);
    let away = format!("http://127.0.0.1:{}", Port::reserve().unwrap().number());
    // At the collector there is nothing by this path.
    for base in [&away, &collector.endpoint] {
        let service = start(&own, &folder, &format!("{base}/elsewhere?api-key={KEY}"));
        service.until_listening().await;
        service.client.send(Method::GET, "/orders", &[], "").await.unwrap();
        until("an export has failed", || async {
            service.output().contains("BatchSpanProcessor.ExportError").then_some(())
        })
        .await;
        for path in ["/readyz", "/metrics"] {
            let told = service.client.send(Method::GET, path, &[], "").await.unwrap().told();
            assert_untold(path, &told);
        }
        let command_line = std::fs::read(format!("/proc/{}/cmdline", service.process.id()));
        assert_untold("its command line", &String::from_utf8_lossy(&command_line.unwrap()));
        service.process.stop();
        assert_untold("its log", &service.output());
    }
    own.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_a_file_are_sent_to_the_collector() {
    let (own, folder, collector) = (Own::default(), TempDir::default(), Collector::start().await);
    let service = start(&own, &folder, &format!("{}/v1/traces", collector.endpoint));
    service.until_listening().await;
    service.client.send(Method::GET, "/orders", &[], "").await.unwrap();
    until("a span has come", || async { (!collector.spans().is_empty()).then_some(()) }).await;
    let keys = collector.keys();
    assert!(!keys.is_empty() && keys.iter().all(|key| key == KEY), "{keys:?}");
    service.process.stop();
    let file = folder.0.join("headers");
    let service = Service::start_with(
        "query-api",
        own.namespace.as_str(),
        &Urls::of_the_run(),
        &[
            (
                "OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(),
                format!("http://waybill:{KEY}@127.0.0.1:4318"),
            ),
            ("OTEL_EXPORTER_OTLP_HEADERS_FILE".to_owned(), file.display().to_string()),
            ("OTEL_EXPORTER_OTLP_HEADERS".to_owned(), format!("api-key={KEY}")),
        ],
    );
    let told = service.until_ended().await;
    for problem in [
        "OTEL_EXPORTER_OTLP_ENDPOINT: expected a URL without user and password",
        "OTEL_EXPORTER_OTLP_HEADERS and OTEL_EXPORTER_OTLP_HEADERS_FILE: expected one of them",
    ] {
        assert!(told.contains(problem), "{told}");
    }
    assert_untold("its end", &told);
    own.remove().await;
}
