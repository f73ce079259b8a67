//! Services that do not run as they should.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use kernel::Timestamp;
use serde_json::json;
use shared::auth::Role::Operate;
use shared::http::probes::probes;
use shared::http::{Hosts, Limits, close, serve};
use shared::service::health::Health;
use shared::service::liveness::Liveness;
use shared::tls::ClientTls;
use tests::jwt_keys::{EC, Provider};
use tests::key_server::KeyServer;
use tests::prometheus::{Access, Prometheus};
use tests::services::{Service, System, Urls};
use tests::stores::TempDir;
use tests::tokens::Tokens;
use tests::{Own, let_pass, until};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use waybill::client::Client;
use xtask::programs::faketime;
use xtask::servers::{Certificates, Pair};

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

/// Starts a service again, with a clock that is so many seconds ahead of that of the machine.
fn restart_ahead(service: &mut Service, seconds: i32) {
    let library = faketime().expect("`cargo xtask install` installs it");
    let preload = library.to_str().expect("a path");
    let ahead = format!("{seconds:+}s");
    service.process.kill();
    service.restart_with(&[
        ("LD_PRELOAD", preload),
        ("FAKETIME", &ahead),
        ("DONT_FAKE_MONOTONIC", "1"),
    ]);
}

fn restart(service: &mut Service) {
    service.process.kill();
    service.restart();
}

/// As the fault campaign does it: one process lives away from all others for a while. It alone tells of it,
/// by what it says of the clocks of its servers.
async fn one_clock_is_off(
    prometheus: &Prometheus,
    service: &mut Service,
    seconds: i32,
    alerts: &[&str],
) {
    prometheus.until_quiet().await;
    restart_ahead(service, seconds);
    prometheus.until_only(alerts).await;
    let job = service.process.name();
    let off = "waybill_clock_ahead_seconds > 5 or waybill_clock_ahead_seconds < -5";
    let off = prometheus.query(off).await;
    assert!(!off.is_empty(), "{job}");
    for (labels, ahead) in off {
        let is_right = (ahead + f64::from(seconds)).abs() < 10.0;
        assert!(labels["job"] == job && is_right, "{labels}: {ahead}, {job} is at {seconds}");
    }
    restart(service);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_off_is_told_by_each_service() {
    const HOUR: i32 = 3_600;
    let mut system = System::start(&Urls::of_the_run(), 1, 1).await;
    let prometheus = watched(&system).await;
    prometheus.until_quiet().await;
    for service in system.all_mut() {
        restart_ahead(service, -HOUR);
    }
    // MongoDB by command-api and the projector, Redis by the projector and query-api.
    until("all clocks are told to be an hour ahead", || async {
        let ahead = prometheus.query("waybill_clock_ahead_seconds > 3590 < 3610").await;
        (ahead.len() == 4).then_some(())
    })
    .await;
    prometheus.until_fires("WaybillClockOff").await;
    system.all_mut().for_each(restart);

    let clock_off = ["WaybillClockOff"];
    for hours in [1, -1] {
        one_clock_is_off(&prometheus, &mut system.commands[0], hours * HOUR, &clock_off).await;
    }
    one_clock_is_off(&prometheus, &mut system.projectors[0], HOUR, &clock_off).await;
    // The projector tells by its own clock until when the views hold everything.
    let and_stale = ["WaybillClockOff", "WaybillViewsStale"];
    one_clock_is_off(&prometheus, &mut system.projectors[0], -HOUR, &and_stale).await;
    // query-api tells by its own how long ago that was.
    one_clock_is_off(&prometheus, &mut system.queries, HOUR, &and_stale).await;
    prometheus.until_quiet().await;
    drop(prometheus);
    system.remove().await;
}

/// As `/livez` tells it of a domain that does not return: see `parts::liveness`.
#[tokio::test(flavor = "multi_thread")]
async fn work_that_makes_no_progress_is_told() {
    let liveness = Liveness::with_patience(Duration::from_millis(500));
    let health = Health::of(&[]).with(liveness.clone());
    let stop = CancellationToken::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(&format!("http://{}", listener.local_addr().unwrap()));
    let routes = close(probes(health), "GET, HEAD");
    tokio::spawn(serve(listener, routes, Hosts::default(), Limits::of_process(1), stop.clone()));
    let beat = tokio::spawn(liveness.clone().beat());
    let prometheus = Prometheus::start(&[("command-api", &client)]).await;
    // Other tests of this process have works of other names.
    let firing = "ALERTS{alertname=\"WaybillStuck\", alertstate=\"firing\", work=\"of this test\"}";
    let work = liveness.work("of this test");
    work.rest();
    assert!(prometheus.query(firing).await.is_empty());
    work.must_progress();
    until("it fires", || async { (prometheus.query(firing).await.len() == 1).then_some(()) }).await;
    work.rest();
    until("it is over", || async { prometheus.query(firing).await.is_empty().then_some(()) }).await;
    beat.abort();
    stop.cancel();
}

/// What a service needs to know to take tokens of a provider with these keys.
fn provider(keys: (&str, String)) -> [(String, String); 3] {
    let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let issuer = own("WAYBILL_JWT_ISSUER", "https://id.example");
    [own(keys.0, &keys.1), issuer, own("WAYBILL_JWT_AUDIENCE", "waybill")]
}

/// A token of the provider, for Prometheus.
fn of_provider() -> String {
    EC.sign(&json!({
        "iss": "https://id.example", "aud": "waybill", "sub": "prometheus", "roles": ["operate"],
        "exp": Timestamp::now().as_millis() / 1_000 + 86_400,
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_keys_that_can_not_be_read_are_told() {
    let (own, tokens) = (Own::default(), Tokens::default());
    tokens.of("ops", &[Operate]);
    let (mut at_url, in_file) = (KeyServer::start(&[&EC]).await, Provider::default());
    let start = |keys| {
        let more = [
            ("WAYBILL_TOKENS_FILE".to_owned(), tokens.file().display().to_string()),
            ("WAYBILL_JWKS_INTERVAL".to_owned(), "10s".to_owned()),
        ];
        let more = [more.as_slice(), &provider(keys)].concat();
        Service::start_with("query-api", own.namespace.as_str(), &Urls::of_the_run(), &more)
    };
    let of_url = start(("WAYBILL_JWKS_URL", at_url.url()));
    let of_file = start(("WAYBILL_JWKS_FILE", in_file.file().display().to_string()));
    of_url.until_listening().await;
    of_file.until_listening().await;
    let services = [("with a URL", &of_url.client), ("with a file", &of_file.client)];
    let token = of_provider();
    let access = Access { token: Some(&token), ..Access::default() };
    let prometheus = Prometheus::start_with(&services, &access).await;
    until("the keys are counted", || async {
        let counted = prometheus.query("waybill_jwks_keys").await;
        let mut keys: Vec<f64> = counted.into_iter().map(|(_, keys)| keys).collect();
        keys.sort_by(f64::total_cmp);
        (keys == [1.0, 2.0]).then_some(())
    })
    .await;

    // It breaks with a token in it, and then as an empty one.
    let (one, none) = (std::fs::read(tokens.file()).unwrap(), b"{\"tokens\": []}".to_vec());
    for (number, good) in [(1, &one), (0, &none)] {
        std::fs::write(tokens.file(), good).unwrap();
        let counted = format!("waybill_tokens == {number}");
        until("both services have read it", || async {
            (prometheus.query(&counted).await.len() == 2).then_some(())
        })
        .await;
        prometheus.until_over("WaybillTokensUnreadable").await;
        std::fs::write(tokens.file(), "{").unwrap();
        prometheus.until_fires("WaybillTokensUnreadable").await;
    }
    std::fs::write(tokens.file(), none).unwrap();
    prometheus.until_over("WaybillTokensUnreadable").await;

    at_url.go_away();
    prometheus.until_fires("WaybillKeysUnreadable").await;
    at_url.come_back().await;
    prometheus.until_over("WaybillKeysUnreadable").await;

    std::fs::write(in_file.file(), "{").unwrap();
    prometheus.until_fires("WaybillKeysUnreadable").await;
    in_file.write(&[&EC]);
    prometheus.until_over("WaybillKeysUnreadable").await;
    drop(prometheus);
    of_url.process.stop();
    of_file.process.stop();
    own.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_can_not_be_used_or_ends_soon_is_told() {
    let (own, folder) = (Own::default(), TempDir::default());
    let certificates = Certificates::new(&folder.0).unwrap();
    let files = certificates.server.clone();
    let path = |path: &Path| path.display().to_string();
    let more = [
        ("WAYBILL_TLS_CERT_FILE".to_owned(), path(&files.certificate)),
        ("WAYBILL_TLS_KEY_FILE".to_owned(), path(&files.key)),
    ];
    let (namespace, urls) = (own.namespace.as_str(), Urls::of_the_run());
    let mut service = Service::start_with("query-api", namespace, &urls, &more);
    let tls = ClientTls::of_ca_file(&certificates.ca).unwrap();
    service.client = Client::trusting(&service.client.base().replace("http:", "https:"), &tls);
    service.until_listening().await;
    let access = Access { ca: Some(&certificates.ca), ..Access::default() };
    let prometheus = Prometheus::start_with(&[("query-api", &service.client)], &access).await;
    let put = |pair: &Pair| std::fs::copy(&pair.certificate, &files.certificate).unwrap();

    let tomorrow = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let renewed = certificates.issue_until(&folder.0.join("renewed"), tomorrow + 86_400).unwrap();
    put(&renewed); // Its key is missing yet.
    prometheus.until_fires("WaybillCertificateUnreadable").await;
    assert!(!prometheus.firing().await.contains("WaybillCertificateExpires"));
    std::fs::copy(&renewed.key, &files.key).unwrap();
    prometheus.until_fires("WaybillCertificateExpires").await;
    prometheus.until_over("WaybillCertificateUnreadable").await;

    let good = certificates.issue(&folder.0.join("good")).unwrap();
    put(&good);
    std::fs::copy(&good.key, &files.key).unwrap();
    prometheus.until_over("WaybillCertificateExpires").await;
    drop(prometheus);
    service.process.stop();
    own.remove().await;
}
