//! What services write of themselves.

use std::time::Instant;

use futures::future::join_all;
use serde_json::Value;
use tests::client::OrderClient;
use tests::services::{Service, System, Urls};
use tests::stores::TempDir;
use tests::until;
use xtask::servers::Redis;

/// Each line as JSON.
fn lines(service: &Service) -> Vec<Value> {
    let output = service.output();
    let lines = output.lines().filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_json_where_that_is_wanted_and_have_no_line_for_a_request() {
    let system = System::start(&Urls::of_the_run(), 1, 1).await;
    let json = ("WAYBILL_LOG_FORMAT", "json");
    let mut commands =
        Service::start("command-api", system.own.namespace.as_str(), &Urls::of_the_run());
    commands.until_ready().await;
    commands.process.kill();
    std::fs::write(commands.process.output(), "").unwrap();
    commands.restart_with(&[json]);
    commands.until_ready().await;
    // What is found wrong with the servers, as a disk that is nearly full, may be told at any time.
    let lines = || {
        let is_found = |line: &Value| line["target"] == "shared::diagnosis";
        lines(&commands).into_iter().filter(|line| !is_found(line)).collect::<Vec<_>>()
    };
    let before = until("it tells that all is ready", || async {
        let lines = lines();
        let relay = |line: &Value| line["message"] == "ready" && line["part"] == "relay";
        lines.iter().any(relay).then_some(lines)
    })
    .await;
    assert!(before.iter().all(|line| line["level"].is_string() && line["target"].is_string()));
    for _ in 0..10 {
        commands.api().create_lamp(5).await;
        assert_eq!(commands.api().ship(uuid::Uuid::new_v4()).await.status, 404);
    }
    assert_eq!(lines(), before);
    commands.process.kill();
    commands.restart_with(&[("WAYBILL_LOG_FORMAT", "xml"), ("OTEL_TRACES_SAMPLER", "sometimes")]);
    let told = commands.until_ended().await;
    for variable in ["WAYBILL_LOG_FORMAT: expected text or json", "OTEL_TRACES_SAMPLER: expected"] {
        assert!(told.contains(variable), "{told}");
    }
    system.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_written_for_a_request_names_it() {
    let folder = TempDir::default();
    let redis = Redis::start(&folder.0).unwrap();
    let urls = Urls { redis: redis.url(), ..Urls::of_the_run() };
    let json = [("WAYBILL_LOG_FORMAT".to_owned(), "json".to_owned())];
    let queries = Service::start_with("query-api", "waybill", &urls, &json);
    until("Redis is there", || async {
        queries.output().contains(r#""part":"redis","#).then_some(())?;
        let ready = |line: &Value| line["message"] == "ready" && line["part"] == "redis";
        lines(&queries).iter().any(ready).then_some(())
    })
    .await;
    redis.process.kill();
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let client = OrderClient::new(&queries.client).with("traceparent", trace);
    for (given, kept) in [("checkout-7781", true), ("no id", false)] {
        let client = client.with("x-request-id", given).with("x-correlation-id", "c 7");
        let answer = client.get("/orders").await;
        assert_eq!((answer.status, answer.problem().as_str()), (503, "unavailable"));
        let id = answer.header("x-request-id").unwrap().to_owned();
        assert_eq!(id == given, kept, "{id}");
        assert_eq!(answer.json()["request_id"], id.as_str());
        let line = until("the failure is logged", || async {
            lines(&queries).into_iter().find(|line| line["request_id"] == id.as_str())
        })
        .await;
        assert_eq!((&line["level"], &line["message"]), (&"WARN".into(), &"answered 503".into()));
        assert_eq!((&line["correlation"], &line["traceparent"]), (&"c 7".into(), &trace.into()));
    }
    many_failures_are_counted(&queries).await;
}

/// Two queries have failed before.
async fn many_failures_are_counted(queries: &Service) {
    const ROUNDS: usize = 4;
    const TOGETHER: usize = 250;
    let started = Instant::now();
    for _ in 0..ROUNDS {
        let client = queries.api();
        let answers = join_all((0..TOGETHER).map(|_| client.get("/orders"))).await;
        assert!(answers.iter().all(|answer| answer.status == 503));
    }
    let windows = usize::try_from(started.elapsed().as_secs() / 5).unwrap() + 2;
    let told = until("all failures are told, or counted", || async {
        let mut told = lines(queries);
        told.retain(|line| {
            line["message"].as_str().is_some_and(|text| text.starts_with("answered 503"))
        });
        let times = told.iter().map(|line| line["times"].as_u64().unwrap_or(1)).sum::<u64>();
        (times == (ROUNDS * TOGETHER + 2) as u64).then_some(told)
    })
    .await;
    // Five lines in five seconds, and one with the number of the others.
    assert!(told.len() <= windows * 6, "{} lines in {windows} windows", told.len());
    let counts: Vec<_> = told.iter().filter(|line| line["times"].is_u64()).collect();
    assert!(counts.iter().all(|line| line["level"] == "WARN" && line["request_id"].is_string()));
    assert!(!counts.is_empty());
}
