//! `waybill load`: drives a running system with a generated flow of orders.

mod probe;
pub mod scenario;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use indicatif::ProgressBar;
use kernel::aggregate::Aggregate as _;
use kernel::{Failure, Result};
use orders::OrderAggregate;
use serde_json::Value;
use shared::service::backoff::Backoff;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use self::scenario::Scenario;
use crate::client::Client;
use crate::progress;

/// What to send, and how fast.
pub struct Plan {
    /// How many commands to send.
    pub commands: usize,
    /// Commands per second; 0 is as fast as it goes.
    pub rate: u32,
    /// Commands under way at a time.
    pub clients: usize,
    /// Makes the same commands again; drawn when it is left out.
    pub seed: Option<u64>,
    /// Ends the run early.
    pub stop: CancellationToken,
}

/// How long a command is tried again before the run is given up.
const RETRY_TIMEOUT: Duration = Duration::from_secs(120);

/// What became of the commands.
#[derive(Debug, Default)]
pub struct Report {
    /// Commands that were accepted.
    pub acknowledged: usize,
    /// By the rule that refused, or the type of the problem.
    pub refused: BTreeMap<String, usize>,
    /// Attempts after a server that was away, busy or unsure.
    pub repeated: usize,
    /// Latency of the acknowledged commands in microseconds, sorted.
    pub micros: Vec<u32>,
    /// How long all took.
    pub took: Duration,
    /// From the POST of an order until a query showed it, in microseconds, sorted; none where it was
    /// not measured.
    pub visible: Option<Vec<u32>>,
}

impl Report {
    /// Commands that were refused.
    pub fn all_refused(&self) -> usize {
        self.refused.values().sum()
    }

    /// Acknowledged commands per second; 0 where it took no time.
    pub fn per_second(&self) -> f64 {
        let seconds = self.took.as_secs_f64();
        if seconds > 0.0 { self.acknowledged as f64 / seconds } else { 0.0 }
    }

    fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.repeated += other.repeated;
        self.micros.extend(other.micros);
        for (rule, count) in other.refused {
            *self.refused.entry(rule).or_default() += count;
        }
    }
}

/// In milliseconds, of sorted microseconds; 0 of none.
pub fn percentile(micros: &[u32], percent: usize) -> f64 {
    let last = micros.len().saturating_sub(1);
    micros.get(last * percent / 100).map_or(0.0, |micros| f64::from(*micros) / 1_000.0)
}

impl Plan {
    fn seed(&self) -> u64 {
        self.seed.unwrap_or_else(rand::random)
    }

    fn orders(&self, seed: u64) -> impl Iterator<Item = Vec<Value>> + use<> {
        let mut left = self.commands;
        Scenario::new(seed).map_while(move |mut commands| {
            commands.truncate(left);
            left -= commands.len();
            (!commands.is_empty()).then_some(commands)
        })
    }

    /// Writes the commands as NDJSON, orders mixed as they would arrive.
    pub fn write(&self, file: &Path) -> Result<()> {
        let what = format!("writing {}", file.display());
        let broken = |error: std::io::Error| Failure::permanent(&what, error);
        let mut out = std::io::BufWriter::new(std::fs::File::create(file).map_err(broken)?);
        for command in scenario::mixed(self.orders(self.seed()), self.clients) {
            writeln!(out, "{command}").map_err(broken)?;
        }
        out.flush().map_err(broken)
    }

    /// Sends the commands. With `queries` it also measures how long an order takes to be visible there
    /// meanwhile.
    pub async fn run(&self, client: &Client, queries: Option<Client>) -> Result<Report> {
        let started = Instant::now();
        let over = CancellationToken::new();
        let probe = queries
            .map(|queries| tokio::spawn(probe::probe(client.clone(), queries, over.clone())));
        let report = self.drive(client, self.seed()).await;
        let took = started.elapsed();
        over.cancel();
        let mut report = Report { took, ..report? };
        if let Some(probe) = probe {
            let visible = probe.await.map_err(|error| Failure::transient("probing", error))??;
            report.visible = Some(visible);
        }
        Ok(report)
    }

    /// Sends the commands; those of one order one after another.
    pub async fn drive(&self, client: &Client, seed: u64) -> Result<Report> {
        let bar = progress::bar(self.commands);
        let pace = (self.rate > 0).then(|| Arc::new(Mutex::new(interval(self.rate))));
        let (send, orders) = mpsc::channel(self.clients.max(1));
        let orders = Arc::new(Mutex::new(orders));
        let mut clients = JoinSet::new();
        for _ in 0..self.clients.max(1) {
            let worker = Worker {
                client: client.clone(),
                orders: orders.clone(),
                pace: pace.clone(),
                bar: bar.clone(),
                stop: self.stop.clone(),
                seed,
            };
            clients.spawn(worker.work());
        }
        for order in self.orders(seed) {
            // The clients take no more after a stop: what waits for room would wait for ever.
            if !matches!(self.stop.run_until_cancelled(send.send(order)).await, Some(Ok(()))) {
                break;
            }
        }
        drop(send);
        let mut report = Report::default();
        while let Some(done) = clients.join_next().await {
            report.add(done.map_err(|error| Failure::transient("sending commands", error))??);
        }
        bar.finish_and_clear();
        report.micros.sort_unstable();
        Ok(report)
    }
}

fn interval(rate: u32) -> Interval {
    let mut interval = tokio::time::interval(Duration::from_secs(1) / rate);
    interval.set_missed_tick_behavior(MissedTickBehavior::Burst);
    interval
}

struct Worker {
    client: Client,
    orders: Arc<Mutex<mpsc::Receiver<Vec<Value>>>>,
    pace: Option<Arc<Mutex<Interval>>>,
    bar: ProgressBar,
    stop: CancellationToken,
    seed: u64,
}

impl Worker {
    async fn work(self) -> Result<Report> {
        let mut report = Report::default();
        loop {
            let order = self.orders.lock().await.recv().await;
            let Some(order) = order else { return Ok(report) };
            for (index, command) in order.into_iter().enumerate() {
                if self.stop.run_until_cancelled(self.turn()).await.is_none() {
                    return Ok(report);
                }
                self.send(index, command, &mut report).await?;
                self.bar.inc(1);
            }
        }
    }

    /// Waits until the next command may be sent.
    async fn turn(&self) {
        if let Some(pace) = &self.pace {
            pace.lock().await.tick().await;
        }
    }

    async fn send(&self, index: usize, command: Value, report: &mut Report) -> Result<()> {
        let id = command["order_id"].as_str().unwrap_or_default().to_owned();
        let key = format!("load-{}-{id}-{index}", self.seed);
        let (method, path, body) = rest(command);
        let headers = [("content-type", "application/json"), ("idempotency-key", key.as_str())];
        let (started, mut backoff) = (Instant::now(), Backoff::for_servers());
        loop {
            let attempt = Instant::now();
            let why = match self.client.send(method.clone(), &path, &headers, body.clone()).await {
                Ok(answer) if answer.status.is_success() => {
                    report.acknowledged += 1;
                    report
                        .micros
                        .push(u32::try_from(attempt.elapsed().as_micros()).unwrap_or(u32::MAX));
                    return Ok(());
                }
                Ok(answer) if !is_passing(answer.status, &answer.body) => {
                    *report.refused.entry(reason(&answer.body)).or_default() += 1;
                    return Ok(());
                }
                Ok(answer) => {
                    format!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body))
                }
                Err(failure) => failure.to_string(),
            };
            if started.elapsed() > RETRY_TIMEOUT {
                return Err(Failure::transient("giving up after two minutes", why));
            }
            if self.stop.run_until_cancelled(backoff.sleep()).await.is_none() {
                return Ok(());
            }
            report.repeated += 1;
        }
    }
}

/// Whether the same request may succeed later: nothing was done, for want of room or of a server, or it
/// is not known.
pub fn is_passing(status: StatusCode, body: &[u8]) -> bool {
    let kind = serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|body| Some(body["type"].as_str()?.to_owned()));
    let passing = ["/idempotency-in-flight", "/conflict", "/not-attempted"];
    let passing = kind.is_some_and(|kind| passing.iter().any(|end| kind.ends_with(end)));
    let later = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS];
    later.contains(&status) || passing
}

fn reason(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let told = body["rule"].as_str().or_else(|| body["type"].as_str());
    told.unwrap_or("an answer without a reason").to_owned()
}

/// The REST form of a command of a batch.
pub fn rest(mut command: Value) -> (http::Method, String, String) {
    let resource = &OrderAggregate::RESOURCE;
    let mut take = |field: &str| {
        let value = command.as_object_mut().and_then(|fields| fields.remove(field));
        value.and_then(|value| Some(value.as_str()?.to_owned())).unwrap_or_default()
    };
    let kind = take("type");
    let Some(action) = resource.actions.iter().find(|action| action.command == kind) else {
        return (http::Method::POST, format!("/{}", resource.path), command.to_string());
    };
    let mut path = format!("/{}/{}/{}", resource.path, take(resource.id), action.segment);
    if let Some(parameter) = action.parameter {
        path = format!("{path}/{}", take(parameter));
    }
    let method = if action.method == "DELETE" { http::Method::DELETE } else { http::Method::POST };
    (method, path, command.to_string())
}
