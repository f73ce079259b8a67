//! Prometheus and its tool.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};
use waybill::client::{Client, encode};
use xtask::programs::of_prometheus;
use xtask::servers::{Port, Process};

use crate::stores::TempDir;
use crate::until::until;
use crate::watched::watch;

/// Runs promtool, which must find nothing to say; `input` is what it reads.
pub fn promtool(arguments: &[&str], input: &str) {
    let program = of_prometheus("promtool").expect("`cargo xtask install` fetches promtool");
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promtool starts");
    // It reads all before it writes, so neither waits for the other.
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("promtool reads");
    let output = child.wait_with_output().expect("promtool ends");
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "promtool {arguments:?}: {told}\n{input}");
}

/// What this process itself has counted of a series, named with its labels; 0 where it knows of none.
pub fn counted_here(series: &str) -> f64 {
    let text = String::from_utf8(shared::service::metrics::text()).expect("text");
    let mut lines = text.lines().filter_map(|line| line.rsplit_once(' '));
    let found = lines.find(|(of, _)| *of == series);
    found.map_or(0.0, |(_, value)| value.parse().expect("a number"))
}

/// A Prometheus that scrapes services, with the rules of `observe/rules` and short times.
pub struct Prometheus {
    pub client: Client,
    process: Arc<Process>,
    folder: TempDir,
    _port: Port,
}

/// How Prometheus gets in at the services.
#[derive(Default)]
pub struct Access<'a> {
    pub token: Option<&'a str>,
    /// The file with the CA of services that speak TLS.
    pub ca: Option<&'a Path>,
}

/// A rule of the repository, as text.
pub fn rules(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../observe/rules").join(name);
    std::fs::read_to_string(path).expect("the rules are there")
}

/// The same with times and bounds that fit into a test: windows of 10 s, alerts after 1 s, and seconds
/// where the rules have half a minute.
fn hurried(rules: &str) -> String {
    let short = [
        ("[1m]", "[5s]"),
        ("[5m]", "[10s]"),
        ("[10m:30s]", "[10s:1s]"),
        ("[10m]", "[10s]"),
        ("[15m]", "[10s]"),
        ("_lag_seconds) > 30", "_lag_seconds) > 3"),
        ("_staleness_seconds) > 60", "_staleness_seconds) > 6"),
        ("(waybill_queue_messages) > 10000", "(waybill_queue_messages) > 20"),
    ];
    let replace = |rules: String, (long, short): &(&str, &str)| rules.replace(long, short);
    let rules = short.iter().fold(rules.to_owned(), replace);
    let lines = rules.lines().map(|line| match line.trim_start().starts_with("for: ") {
        true => "        for: 1s".to_owned(),
        false => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The file that tells where the service of a job is.
fn targets(job: &str) -> String {
    format!("targets of {job}.json")
}

/// Tells Prometheus where that service is, or that it is nowhere.
fn find(folder: &TempDir, job: &str, client: Option<&Client>) {
    let target = |client: &Client| client.base().split_once("://").map(|(_, it)| it.to_owned());
    let found = client.and_then(target).map(|target| json!({ "targets": [target] }));
    let found = Value::from_iter(found).to_string();
    std::fs::write(folder.0.join(targets(job)), found).expect("a file");
}

impl Prometheus {
    /// Starts it for these services, each with the name of its job.
    pub async fn start(services: &[(&str, &Client)]) -> Self {
        Self::start_with(services, &Access::default()).await
    }

    /// The same, for services that do not let everyone in.
    pub async fn start_with(services: &[(&str, &Client)], access: &Access<'_>) -> Self {
        let folder = TempDir::default();
        let port = Port::reserve().expect("a port");
        for name in ["recording.yml", "alerts.yml"] {
            std::fs::write(folder.0.join(name), hurried(&rules(name))).expect("a file");
        }
        let job = |(name, client): &(&str, &Client)| {
            find(&folder, name, Some(*client));
            let (scheme, _) = client.base().split_once("://").expect("a URL");
            let files = json!([{ "files": [targets(name)], "refresh_interval": "1s" }]);
            let mut job = json!({ "job_name": name, "scheme": scheme, "file_sd_configs": files });
            if let Some(token) = access.token {
                job["authorization"] = json!({ "credentials": token });
            }
            if let Some(ca) = access.ca {
                job["tls_config"] = json!({ "ca_file": ca });
            }
            job
        };
        // JSON is YAML.
        let config = json!({
            "global": {
                "scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms",
            },
            "rule_files": ["recording.yml", "alerts.yml"],
            "scrape_configs": services.iter().map(job).collect::<Vec<_>>(),
        });
        std::fs::write(folder.0.join("prometheus.yml"), config.to_string()).expect("a file");
        let address = format!("127.0.0.1:{}", port.number());
        let program = of_prometheus("prometheus").expect("`cargo xtask install` fetches it");
        let mut command = Command::new(program);
        command.arg(format!("--config.file={}", folder.0.join("prometheus.yml").display()));
        command.arg(format!("--storage.tsdb.path={}", folder.0.join("data").display()));
        command.arg(format!("--web.listen-address={address}")).arg("--log.level=warn");
        let process = Process::start("prometheus", &folder.0, &mut command);
        let process = Arc::new(process.expect("Prometheus starts"));
        let client = Client::new(&format!("http://{address}"));
        watch(&process, &client);
        let prometheus = Self { client, process, folder, _port: port };
        prometheus.until_evaluated().await;
        prometheus
    }

    /// As if service discovery found the service of this job no more, until it is found again.
    pub fn lose(&self, job: &str) {
        find(&self.folder, job, None);
    }

    /// See `lose`.
    pub fn find(&self, job: &str, client: &Client) {
        find(&self.folder, job, Some(client));
    }

    /// Answers of a query: the labels of each series, and its value.
    pub async fn query(&self, query: &str) -> Vec<(Value, f64)> {
        let path = format!("/api/v1/query?query={}", encode(query));
        let Ok(answer) = self.client.get(&path).await else { return vec![] };
        let results = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        let value = |result: &Value| result["value"][1].as_str()?.parse().ok();
        results.iter().filter_map(|it| Some((it["metric"].clone(), value(it)?))).collect()
    }

    /// The names of the alerts that fire.
    pub async fn firing(&self) -> BTreeSet<String> {
        let firing = self.query("ALERTS{alertstate=\"firing\"}").await;
        let name = |(labels, _): &(Value, f64)| labels["alertname"].as_str().map(str::to_owned);
        firing.iter().filter_map(name).collect()
    }

    /// Waits until all services were scraped, and for longer than the rules look back.
    async fn until_evaluated(&self) {
        until("Prometheus has seen a quiet while", || async {
            let whole = "min(count_over_time(up[15s])) >= 24 and min(min_over_time(up[12s])) == 1";
            (!self.query(whole).await.is_empty()).then_some(())
        })
        .await;
    }

    pub async fn until_fires(&self, alert: &str) {
        until(&format!("{alert} fires"), || async {
            self.firing().await.contains(alert).then_some(())
        })
        .await;
    }

    /// Waits until it fires with these labels, such as `job="a", part="b"`: more than one service may tell it.
    pub async fn until_fires_with(&self, alert: &str, labels: &str) {
        let firing = format!("ALERTS{{alertname=\"{alert}\", alertstate=\"firing\", {labels}}}");
        until(&format!("{firing} is there"), || async {
            (!self.query(&firing).await.is_empty()).then_some(())
        })
        .await;
    }

    pub async fn until_over(&self, alert: &str) {
        until(&format!("{alert} is over"), || async {
            (!self.firing().await.contains(alert)).then_some(())
        })
        .await;
    }

    /// Waits until these alerts fire, and no other does.
    pub async fn until_only(&self, alerts: &[&str]) {
        let expected: BTreeSet<String> = alerts.iter().map(|alert| (*alert).to_owned()).collect();
        until(&format!("{alerts:?} fire and no other"), || async {
            (self.firing().await == expected).then_some(())
        })
        .await;
    }

    pub async fn until_quiet(&self) {
        until("no alert fires", || async { self.firing().await.is_empty().then_some(()) }).await;
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.process.kill();
    }
}
