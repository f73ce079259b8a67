//! Asks all services, side by side.

use std::time::{Duration, Instant};

use futures::future::join_all;
use http::Method;
use kernel::{Failure, Result, Timestamp};
use serde_json::Value;

use super::sample::{Log, Missing, Sample, Service, State, Views};
use super::watcher::Watcher;
use crate::client::{Client, Response};
use crate::output::text;

/// For one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// For the stream of changes to open, before the first look.
const OPEN_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two looks at the dead letters: each takes one out of its queue and puts it back.
const DEAD_LETTERS_INTERVAL: Duration = Duration::from_secs(10);

/// Takes samples of a running system; keeps what rates are made of.
pub struct Sampler {
    commands: Vec<Client>,
    queries: Vec<Client>,
    projectors: Vec<Client>,
    watcher: Option<Watcher>,
    head: Option<(Instant, i64)>,
    /// The `next` of the last page of the feed.
    cursor: Option<String>,
    dead_letters: Option<(Instant, Result<Value>)>,
}

impl Sampler {
    /// Of these processes. Follows the changes from now on.
    pub fn new(commands: Vec<Client>, queries: Vec<Client>, projectors: Vec<Client>) -> Self {
        let watcher = queries.first().cloned().map(Watcher::start);
        let (head, cursor, dead_letters) = (None, None, None);
        Self { commands, queries, projectors, watcher, head, cursor, dead_letters }
    }

    /// Waits until changes are told, but not for long.
    pub async fn until_open(&self) {
        let started = Instant::now();
        while self.watcher.as_ref().is_some_and(|watcher| !watcher.is_open())
            && started.elapsed() < OPEN_TIMEOUT
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Looks at everything. Takes as long as the slowest service, at most a few seconds.
    pub async fn sample(&mut self) -> Sample {
        let mut sample = Sample { at: Timestamp::now().to_string(), ..Sample::default() };
        let feed = match &self.cursor {
            Some(cursor) => format!("/events?limit=1&after={cursor}"),
            None => "/events?limit=1".to_owned(),
        };
        if self.dead_letters.as_ref().is_none_or(|(at, _)| at.elapsed() > DEAD_LETTERS_INTERVAL) {
            let told = any(&self.projectors, "/dead-letters?limit=1").await;
            self.dead_letters = Some((Instant::now(), told));
        }
        let (log, generations, flow, totals, services) = futures::join!(
            any(&self.commands, &feed),
            generations(&self.projectors),
            any(&self.projectors, "/flow"),
            any(&self.queries, "/stats"),
            self.services(),
        );
        sample.services = services;
        sample.log = self.log(log, &mut sample.missing);
        read_generations(generations, &mut sample);
        read_flow(flow, &mut sample);
        sample.totals = or_missing(totals, "totals", &mut sample.missing);
        if let Some((_, told)) = &self.dead_letters {
            let told = or_missing(told.clone(), "dead_letters", &mut sample.missing);
            sample.dead_letters = told.and_then(|told| told["total"].as_u64());
        }
        match self.watcher.as_ref().map(Watcher::take) {
            Some(Ok(changes)) => sample.changes = Some(changes),
            Some(Err(why)) => sample.missing.push(Missing { what: "changes", why }),
            None => {}
        }
        sample
    }

    fn log(&mut self, told: Result<Value>, missing: &mut Vec<Missing>) -> Option<Log> {
        let told = match told {
            Ok(told) => told,
            Err(failure) => {
                (self.cursor, self.head) = (None, None); // It may be another log.
                return or_missing(Err(failure), "log", missing);
            }
        };
        let head = told["head"].as_i64()?;
        // From behind the head on, so that no page holds an event to speak of.
        let log = told["next"].as_str().and_then(|next| Some(next.rsplit_once('.')?.0.to_owned()));
        self.cursor = log.map(|log| format!("{log}.{head}"));
        let now = Instant::now();
        let before = self.head.replace((now, head)).filter(|(_, before)| *before <= head);
        let positions_per_second = before.map(|(at, before)| {
            (head - before) as f64 / now.duration_since(at).as_secs_f64().max(0.001)
        });
        Some(Log { head, positions_per_second })
    }

    async fn services(&self) -> Vec<Service> {
        let of = |service, clients: &[Client]| {
            let clients: Vec<(&'static str, Client)> =
                clients.iter().map(|client| (service, client.clone())).collect();
            clients
        };
        let all = [
            of("command-api", &self.commands),
            of("query-api", &self.queries),
            of("projector", &self.projectors),
        ];
        join_all(all.into_iter().flatten().map(|(name, client)| service(name, client))).await
    }
}

async fn in_time<T>(what: &str, asked: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(ANSWER_TIMEOUT, asked).await {
        Ok(answered) => answered,
        Err(_) => {
            let seconds = ANSWER_TIMEOUT.as_secs();
            Err(Failure::transient(what, format!("no answer in {seconds} s")))
        }
    }
}

async fn get(client: &Client, path: &str) -> Result<Value> {
    let what = format!("GET {}{path}", client.base());
    in_time(&what, client.get(path)).await
}

/// The first answer; the first failure where there is none.
async fn any(clients: &[Client], path: &str) -> Result<Value> {
    let mut first = Err(Failure::permanent(path, "no address is given"));
    for (index, client) in clients.iter().enumerate() {
        match get(client, path).await {
            Ok(told) => return Ok(told),
            Err(failure) if index == 0 => first = Err(failure),
            Err(_) => {}
        }
    }
    first
}

/// What every projector tells, and which one of them.
async fn generations(projectors: &[Client]) -> Vec<(String, Result<Value>)> {
    let asked = projectors
        .iter()
        .map(async |projector| (projector.base().to_owned(), get(projector, "/generations").await));
    join_all(asked).await
}

fn read_generations(told: Vec<(String, Result<Value>)>, sample: &mut Sample) {
    let mut all = None;
    let mut failure = None;
    for (url, told) in told {
        let told = match told {
            Ok(told) => told,
            Err(why) => {
                failure.get_or_insert(why);
                continue;
            }
        };
        let items = told["items"].as_array().cloned().unwrap_or_default();
        let served = items.iter().find(|one| one["served_here"] == true);
        let worker = |one: &&mut Service| one.service == "projector" && one.url == url;
        if let Some(worker) = sample.services.iter_mut().find(worker) {
            worker.serves = served.map(|one| text(&one["id"]));
        }
        all.get_or_insert((items, told["head"].as_i64().unwrap_or(0)));
    }
    let Some((items, head)) = all else {
        let why = failure.map_or_else(|| "no projector is given".to_owned(), |it| it.to_string());
        sample.missing.push(Missing { what: "views", why: why.clone() });
        sample.missing.push(Missing { what: "generations", why });
        return;
    };
    let live = items.iter().find(|one| one["live"] == true);
    match live.and_then(|live| Some((live, live["checkpoint"].as_i64()?))) {
        Some((live, checkpoint)) => {
            sample.views = Some(Views {
                generation: text(&live["id"]),
                checkpoint,
                head,
                behind: (head - checkpoint).max(0),
                parked: live["parked"].as_u64().unwrap_or(0),
            });
        }
        None => {
            let why = "no views are live".to_owned();
            sample.missing.push(Missing { what: "views", why });
        }
    }
    sample.generations = Some(items);
}

fn read_flow(told: Result<Value>, sample: &mut Sample) {
    let Some(told) = or_missing(told, "queue", &mut sample.missing) else { return };
    sample.queue = told["waiting"].as_u64();
    if sample.queue.is_none() {
        let why = "there is no queue: no views are live, or, as in the embedded mode, they follow the log";
        sample.missing.push(Missing { what: "queue", why: why.to_owned() });
    }
}

fn or_missing<T>(told: Result<T>, what: &'static str, missing: &mut Vec<Missing>) -> Option<T> {
    let why = |failure: Failure| missing.push(Missing { what, why: failure.to_string() });
    told.map_err(why).ok()
}

async fn service(service: &'static str, client: Client) -> Service {
    let asked = client.send(Method::GET, "/readyz", &[], "");
    let what = format!("GET {}/readyz", client.base());
    let (state, note) = match in_time(&what, asked).await {
        Ok(answer) if answer.status.is_success() => (State::Ready, beside_ready(&answer)),
        Ok(answer) => (State::Waiting, Some(waits_for(&answer))),
        Err(failure) => (State::Unreachable, Some(failure.to_string())),
    };
    Service { service, url: client.base().to_owned(), state, note, serves: None }
}

/// The lines behind `ready`.
fn beside_ready(answer: &Response) -> Option<String> {
    let told = String::from_utf8_lossy(&answer.body).into_owned();
    let notes: Vec<&str> = told.lines().skip(1).collect();
    (!notes.is_empty()).then(|| crate::output::plain(&notes.join("; ")))
}

fn waits_for(answer: &Response) -> String {
    let told = answer.json().unwrap_or_default();
    match told["detail"].is_string() {
        true => text(&told["detail"]),
        false => answer.status.to_string(),
    }
}
