//! Services that do not run as they should.

use std::process::Command;
use std::time::Duration;

use shared::auth::Role::Operate;
use tests::jwt_keys::EC;
use tests::key_server::KeyServer;
use tests::prometheus::Prometheus;
use tests::services::{Service, System, Urls};
use tests::tokens::Tokens;
use tests::{Own, let_pass, until};

use super::watched;

#[tokio::test(flavor = "multi_thread")]
async fn services_that_are_started_again_and_again_or_run_out_of_something_are_told() {
    let mut system = System::start(&Urls::of_the_run(), 1, 1).await;
    let prometheus = watched(&system).await;

    // A process tells when it was started in whole seconds.
    for _ in 0..4 {
        system.queries.process.kill();
        system.queries.restart();
        let_pass(Duration::from_millis(1_600)).await;
    }
    prometheus.until_fires("WaybillRestarts").await;
    prometheus.until_quiet().await;

    // As if the machine had no time for it.
    until("WaybillRuntimeDelayed fires", || async {
        system.queries.process.signal("STOP");
        let_pass(Duration::from_millis(1_500)).await;
        system.queries.process.signal("CONT");
        system.queries.until_ready().await;
        prometheus.firing().await.contains("WaybillRuntimeDelayed").then_some(())
    })
    .await;
    prometheus.until_quiet().await;

    // Hardly more files than it has open, whatever it opens and closes meanwhile.
    let id = system.queries.process.id();
    until("WaybillFileDescriptors fires", || async {
        let open = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().count();
        let mut limit = Command::new("prlimit");
        limit.args(["--pid", &id.to_string(), &format!("--nofile={}:", open + 4)]);
        assert!(limit.status().unwrap().success());
        prometheus.firing().await.contains("WaybillFileDescriptors").then_some(())
    })
    .await;
    drop(prometheus);
    system.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_keys_that_can_not_be_read_are_told() {
    let (own, tokens) = (Own::default(), Tokens::default());
    let token = tokens.of("prometheus", &[Operate]);
    let mut keys = KeyServer::start(&[&EC]).await;
    let more = [
        ("WAYBILL_TOKENS_FILE", tokens.file().display().to_string()),
        ("WAYBILL_JWKS_URL", keys.url()),
        ("WAYBILL_JWKS_INTERVAL", "10s".to_owned()),
        ("WAYBILL_JWT_ISSUER", "https://id.example".to_owned()),
        ("WAYBILL_JWT_AUDIENCE", "waybill".to_owned()),
    ];
    let more = more.map(|(name, value)| (name.to_owned(), value));
    let service =
        Service::start_with("query-api", own.namespace.as_str(), &Urls::of_the_run(), &more);
    service.until_listening().await;
    let services = [("query-api", &service.client)];
    let prometheus = Prometheus::start_with_token(&services, Some(&token)).await;
    let until_over = async |alert: &str| {
        until(&format!("{alert} is over"), || async {
            (!prometheus.firing().await.contains(alert)).then_some(())
        })
        .await;
    };

    let good = std::fs::read(tokens.file()).unwrap();
    std::fs::write(tokens.file(), "{").unwrap();
    prometheus.until_fires("WaybillTokensUnreadable").await;
    std::fs::write(tokens.file(), good).unwrap();
    until_over("WaybillTokensUnreadable").await;

    keys.go_away();
    prometheus.until_fires("WaybillKeysUnreadable").await;
    keys.come_back().await;
    until_over("WaybillKeysUnreadable").await;
    drop(prometheus);
    service.process.stop();
    own.remove().await;
}
