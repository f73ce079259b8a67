//! The services' own listeners with TLS: as programs, with the command line as their client.

use std::path::Path;
use std::process::Command;

use http::Method;
use rustls::pki_types::ServerName;
use shared::tls::ClientTls;
use tests::program::CommandLine;
use tests::services::program;
use tests::stores::TempDir;
use tests::until;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use waybill::client::Client;
use xtask::servers::{Certificates, Process};

/// The embedded mode, with TLS.
struct Secure {
    process: Process,
    certificates: Certificates,
    folder: TempDir,
    /// Of commands, queries and operations.
    urls: Vec<String>,
}

impl Secure {
    async fn start() -> Self {
        let folder = TempDir::default();
        let certificates = Certificates::new(&folder.0.join("tls")).unwrap();
        let addresses = folder.0.join("addresses");
        let mut command = Command::new(program("waybill"));
        command.env_clear();
        for service in ["COMMAND", "QUERY", "PROJECTOR"] {
            command.env(format!("WAYBILL_{service}_LISTEN"), "127.0.0.1:0");
        }
        command.env("WAYBILL_DATA_DIR", folder.0.join("data"));
        command.env("WAYBILL_ADDRESS_FILE", &addresses);
        command.env("WAYBILL_TLS_CERT_FILE", &certificates.server.certificate);
        command.env("WAYBILL_TLS_KEY_FILE", &certificates.server.key);
        let process = Process::start("waybill", &folder.0, &mut command).unwrap();
        let text = until("the addresses are told", || async {
            assert_eq!(process.ended(), None);
            std::fs::read_to_string(&addresses).ok()
        })
        .await;
        let urls = text.lines().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect();
        Self { process, certificates, folder, urls }
    }

    fn waybill(&self) -> CommandLine {
        let address = |url: &String| url.trim_start_matches("https://").to_owned();
        let [commands, queries, projector] = [0, 1, 2].map(|index| address(&self.urls[index]));
        CommandLine::default()
            .with("WAYBILL_COMMAND_LISTEN", &commands)
            .with("WAYBILL_QUERY_LISTEN", &queries)
            .with("WAYBILL_PROJECTOR_LISTEN", &projector)
    }

    async fn metric(&self, name: &str) -> f64 {
        let tls = ClientTls::of_ca_file(&self.certificates.ca).unwrap();
        let queries = Client::trusting(&self.urls[1], &tls);
        let answer = queries.send(Method::GET, "/metrics", &[], "").await.unwrap();
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        let (_, value) = lines.find(|(of, _)| *of == name).expect("the metric");
        value.parse().expect("a number")
    }

    /// The certificate that a new connection is shown; none while the listeners differ.
    async fn shown(&self) -> Option<Vec<u8>> {
        let tls = ClientTls::of_ca_file(&self.certificates.ca).unwrap();
        let mut shown = vec![];
        for url in &self.urls {
            let stream = TcpStream::connect(url.trim_start_matches("https://")).await.unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            let stream = TlsConnector::from(tls.config()).connect(name, stream).await.unwrap();
            shown.push(stream.get_ref().1.peer_certificates().unwrap()[0].to_vec());
        }
        assert_eq!(shown.len(), 3);
        shown.dedup();
        if shown.len() == 1 { shown.pop() } else { None }
    }

    /// Waits until all listeners show another certificate than `before`.
    async fn until_other(&self, before: &[u8]) -> Vec<u8> {
        let other = || async { self.shown().await.filter(|shown| shown != before) };
        until("another certificate is shown", other).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_speaks_tls_with_a_ca_of_its_own() {
    let secure = Secure::start().await;
    assert!(secure.urls.iter().all(|url| url.starts_with("https://")), "{:?}", secure.urls);
    let (waybill, ca) = (secure.waybill(), secure.certificates.ca.display().to_string());
    let loaded = waybill.run(&format!("load --ca-file {ca} --commands 100 --json")).await;
    assert_eq!(loaded.code, Some(0), "{loaded:?}");
    let verified = waybill.clone().with("WAYBILL_CA_FILE", &ca).run("verify --json").await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
    assert!(verified.json()["orders"].as_u64().unwrap() > 0, "{verified:?}");
    // By the wrong scheme, with the wrong CA, and with a file that is none.
    let plain = waybill.run("verify --json").await;
    assert_eq!(plain.code, Some(3), "{plain:?}");
    assert!(plain.stderr.contains("https://"), "{plain:?}");
    let other = Certificates::new(&secure.folder.0.join("other")).unwrap();
    let other = waybill.run(&format!("verify --ca-file {}", other.ca.display())).await;
    assert_eq!(other.code, Some(3), "{other:?}");
    assert!(other.stderr.contains("UnknownIssuer"), "{other:?}");
    for (file, expected) in
        [("/nowhere", "/nowhere"), (&*secure.certificates.server.key.display().to_string(), "PEM")]
    {
        let wrong = waybill.run(&format!("verify --ca-file {file}")).await;
        assert_eq!(wrong.code, Some(2), "{wrong:?}");
        assert!(wrong.stderr.contains(expected) && wrong.stderr.contains("--ca-file"), "{wrong:?}");
    }
    // The dashboard asks the others by https, too.
    let tls = ClientTls::of_ca_file(&secure.certificates.ca).unwrap();
    let queries = Client::trusting(&secure.urls[1], &tls);
    let page = queries.send(Method::GET, "/", &[], "").await.unwrap();
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains(&secure.urls[0]) && policy.contains(&secure.urls[2]), "{policy}");
}

/// Replaces both files, one after the other.
fn put(secure: &Secure, certificate: &Path, key: &Path) {
    std::fs::copy(certificate, &secure.certificates.server.certificate).unwrap();
    std::fs::copy(key, &secure.certificates.server.key).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_used_without_a_restart_and_a_broken_one_is_not() {
    let secure = Secure::start().await;
    let first = secure.shown().await.expect("one for all");
    assert_eq!(secure.metric("waybill_tls_certificate_readable").await, 1.0);
    let (end, renewed) = (2_000_000_000, secure.folder.0.join("renewed"));
    let renewed = secure.certificates.issue_until(&renewed, end).unwrap();
    put(&secure, &renewed.certificate, &renewed.key);
    let second = secure.until_other(&first).await;
    let told = secure.metric("waybill_tls_certificate_expires_timestamp_seconds").await;
    assert_eq!(told, end as f64, "the end of the one that is shown");

    // The key of another certificate.
    let another = secure.certificates.issue(&secure.folder.0.join("another")).unwrap();
    put(&secure, &another.certificate, &renewed.key);
    until("the broken files are told of", || async {
        let told = secure.process.told();
        told.contains("the new TLS certificate can't be used").then_some(())
    })
    .await;
    assert_eq!(secure.shown().await.as_ref(), Some(&second), "the last good one stays");
    assert_eq!(secure.metric("waybill_tls_certificate_readable").await, 0.0);
    let told = secure.metric("waybill_tls_certificate_expires_timestamp_seconds").await;
    assert_eq!(told, end as f64, "the end of the one that is shown");

    put(&secure, &another.certificate, &another.key);
    secure.until_other(&second).await;
    assert_eq!(secure.metric("waybill_tls_certificate_readable").await, 1.0);
    let told = secure.metric("waybill_tls_certificate_expires_timestamp_seconds").await;
    assert!(told > end as f64, "the mended one ends later: {told}");
    let told = secure.process.told();
    assert_eq!(told.matches("can't be used").count(), 1, "{told}");
}
