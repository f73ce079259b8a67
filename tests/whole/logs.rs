//! What services write of themselves.

use serde_json::Value;
use tests::services::{Service, System, Urls};
use tests::until;

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
    let before = until("it tells that all is ready", || async {
        let lines = lines(&commands);
        let relay = |line: &Value| line["message"] == "ready" && line["part"] == "relay";
        lines.iter().any(relay).then_some(lines)
    })
    .await;
    assert!(before.iter().all(|line| line["level"].is_string() && line["target"].is_string()));
    for _ in 0..10 {
        commands.api().create_lamp(5).await;
        assert_eq!(commands.api().ship(uuid::Uuid::new_v4()).await.status, 404);
    }
    assert_eq!(lines(&commands), before);
    commands.process.kill();
    commands.restart_with(&[("WAYBILL_LOG_FORMAT", "xml"), ("OTEL_TRACES_SAMPLER", "sometimes")]);
    let told = commands.until_ended().await;
    for variable in ["WAYBILL_LOG_FORMAT: expected text or json", "OTEL_TRACES_SAMPLER: expected"] {
        assert!(told.contains(variable), "{told}");
    }
    system.remove().await;
}
