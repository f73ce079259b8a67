//! MongoDB, RabbitMQ and Redis by TLS, on servers that take nothing else and ask for certificates.

use std::path::Path;

use serde_json::Value;
use tests::orders;
use tests::program::CommandLine;
use tests::services::{System, Urls};
use tests::stores::TempDir;
use xtask::servers::{Certificates, Pair, Servers};

const SERVERS: [&str; 3] = ["MONGODB", "RABBITMQ", "REDIS"];

/// The variables that name a CA and a certificate of the client, for each server.
fn files(ca: &Path, client: Option<&Pair>) -> Vec<(String, String)> {
    let of = |server: &str| {
        let variable = |what: &str, file: &Path| {
            (format!("WAYBILL_{server}_{what}_FILE"), file.display().to_string())
        };
        let client = client.map(|client| {
            [variable("CERT", &client.certificate), variable("KEY", &client.key)] //
        });
        [variable("CA", ca)].into_iter().chain(client.into_iter().flatten()).collect::<Vec<_>>()
    };
    SERVERS.into_iter().flat_map(of).collect()
}

struct Secure {
    servers: Servers,
    certificates: Certificates,
    folder: TempDir,
}

impl Secure {
    fn start() -> Self {
        let folder = TempDir::default();
        let certificates = Certificates::new(&folder.0.join("tls")).unwrap();
        Self { servers: Servers::start_with_tls(&certificates).unwrap(), certificates, folder }
    }

    /// What `doctor` finds, with these files.
    async fn doctor(&self, urls: &Urls, files: &[(String, String)]) -> Value {
        let mut waybill = CommandLine::default()
            .with("WAYBILL_MONGODB_URL", &urls.mongodb)
            .with("WAYBILL_RABBITMQ_URL", &urls.rabbitmq)
            .with("WAYBILL_REDIS_URL", &urls.redis);
        for (name, file) in files {
            waybill = waybill.with(name, file);
        }
        let done = waybill.run("doctor --json").await;
        assert!(!format!("{done:?}").contains("sesame"), "{done:?}");
        done.json()
    }
}

/// No server can be reached, and each is told of with `hint`, in which `{}` is its name.
fn assert_told(report: &Value, hint: &str) {
    let untold = SERVERS.map(|server| {
        let (verdict, found) = reachable(report, &server.to_lowercase());
        let is_told = verdict == "error" && found.contains(&hint.replace("{}", server));
        (!is_told).then(|| format!("{verdict} {found}"))
    });
    let untold: Vec<String> = untold.into_iter().flatten().collect();
    assert!(untold.is_empty(), "{hint}: {untold:#?}");
}

/// What was found about whether a server can be reached.
fn reachable<'a>(report: &'a Value, server: &str) -> (&'a str, &'a str) {
    let findings = report["findings"].as_array().unwrap();
    let finding = findings
        .iter()
        .find(|found| found["subject"] == server && found["check"] == "reachable")
        .unwrap_or_else(|| panic!("nothing about {server}: {report:#}"));
    (finding["verdict"].as_str().unwrap(), finding["found"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_pipeline_works_over_tls_with_certificates_of_both_ends() {
    let secure = Secure::start();
    let urls = Urls::of(&secure.servers);
    for url in [&urls.mongodb, &urls.rabbitmq, &urls.redis] {
        assert!(url.contains("tls=true") || url.contains("s://"), "{url}");
    }
    let files = files(&secure.certificates.ca, Some(&secure.certificates.client));
    let system = System::start_with(&urls, &files, 1, 1).await;
    let (commands, queries) = (system.commands[0].api(), system.queries.api());
    let created = commands.create_lamp(100).await;
    let order = created.order_id();
    commands.pay(order, 100).await;
    let shipped = commands.ship(order).await;
    assert!(shipped.is_success(), "{:?}", shipped.body);
    let view = queries.with_token(shipped.token()).waiting(30).order(order).await;
    assert_eq!(view.version(), 3, "{:?}", view.body);
    let orders: Vec<Value> = (0..50).map(|_| orders::order(7)).collect();
    for order in &orders {
        assert_eq!(commands.create_order(order).await.status, 201);
    }
    system.verify().await;
    let report = secure.doctor(&urls, &files).await;
    for server in ["mongodb", "rabbitmq", "redis"] {
        assert_eq!(reachable(&report, server).0, "ok", "{report:#}");
    }
    system.all().for_each(|service| service.process.stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_tls_connection_is_told() {
    let secure = Secure::start();
    let servers = Urls::of(&secure.servers);
    let urls = Urls {
        mongodb: servers.mongodb.replace("mongodb://", "mongodb://waybill:sesame@"),
        rabbitmq: servers.rabbitmq.replace("guest:guest", "guest:sesame"),
        redis: servers.redis.replace("rediss://", "rediss://:sesame@"),
    };
    let own = &secure.certificates;
    let other = Certificates::new(&secure.folder.0.join("other")).unwrap();

    let report = secure.doctor(&urls, &files(&other.ca, Some(&own.client))).await;
    assert_told(&report, "no CA that is trusted; see WAYBILL_{}_CA_FILE");
    let report = secure.doctor(&urls, &files(&own.ca, None)).await;
    assert_told(&report, "client certificate; see WAYBILL_{}_CERT_FILE");
    let report = secure.doctor(&urls, &files(&own.ca, Some(&other.client))).await;
    assert_told(&report, "WAYBILL_{}_CERT_FILE");
    let plain = Urls {
        mongodb: urls.mongodb.replace("&tls=true", ""),
        rabbitmq: urls.rabbitmq.replace("amqps", "amqp"),
        redis: urls.redis.replace("rediss", "redis"),
    };
    let report = secure.doctor(&plain, &[]).await;
    assert_told(&report, "the server may expect TLS: WAYBILL_{}_URL");
}
