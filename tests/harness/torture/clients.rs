//! Clients that note what they asked for and what they were told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use shared::backoff::Backoff;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use waybill::client::{Client, Response};
use waybill::load::rest;
use waybill::load::scenario::Scenario;

use super::watch::Watch;

/// Clients at a time.
const CLIENTS: u64 = 12;
/// How long one command is tried again.
const PATIENCE: Duration = Duration::from_secs(45);

/// What a client was told of one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    Acknowledged {
        order: String,
        version: i64,
    },
    /// Neither done nor to be tried again.
    Refused {
        command: Value,
        /// The order's version when the client asked, as far as it had been told.
        after: i64,
        /// The rule that refused, or the type of the problem where no rule did.
        why: String,
    },
    /// No answer that settles it.
    Unknown,
}

/// By the command's correlation id.
#[derive(Debug, Default)]
pub struct Known {
    pub told: BTreeMap<String, Told>,
    /// What clients saw that may not be.
    pub violations: Vec<String>,
    pub disconnects: usize,
    /// Reads with a token that were answered.
    pub reads: usize,
}

impl Known {
    fn count(&self, which: impl Fn(&Told) -> bool) -> usize {
        self.told.values().filter(|told| which(told)).count()
    }

    pub fn acknowledged(&self) -> usize {
        self.count(|told| matches!(told, Told::Acknowledged { .. }))
    }

    pub fn refused(&self) -> usize {
        self.count(|told| matches!(told, Told::Refused { .. }))
    }

    pub fn unknown(&self) -> usize {
        self.count(|told| *told == Told::Unknown)
    }
}

pub struct Clients {
    tasks: JoinSet<()>,
    known: Arc<Mutex<Known>>,
}

impl Clients {
    pub fn start(
        commands: Vec<Client>,
        queries: Client,
        seed: u64,
        over: &CancellationToken,
    ) -> Self {
        let known = Arc::new(Mutex::new(Known::default()));
        let mut tasks = JoinSet::new();
        for number in 0..CLIENTS {
            let one = One {
                commands: commands.clone(),
                queries: queries.clone(),
                known: known.clone(),
                over: over.clone(),
                name: format!("{seed}-{number}"),
            };
            tasks.spawn(one.work(Scenario::new(seed.wrapping_mul(1_000).wrapping_add(number))));
        }
        Self { tasks, known }
    }

    /// Waits for commands under way.
    pub async fn finish(self) -> Known {
        self.tasks.join_all().await;
        std::mem::take(&mut *self.known.lock().unwrap())
    }
}

struct One {
    commands: Vec<Client>,
    queries: Client,
    known: Arc<Mutex<Known>>,
    over: CancellationToken,
    name: String,
}

impl One {
    async fn work(self, orders: Scenario) {
        let mut watch = Watch::default();
        for (number, commands) in orders.enumerate() {
            let (mut token, mut after) = (None, 0);
            for (index, command) in commands.into_iter().enumerate() {
                if self.over.is_cancelled() {
                    return;
                }
                let id = format!("{}-{number}-{index}", self.name);
                let told = self.send(&id, number + index, &command, after, &mut token).await;
                self.known.lock().unwrap().told.insert(id, told.clone());
                let Told::Acknowledged { version, .. } = told else { break };
                after = version;
            }
            watch.look(&self.queries, token, &self.known).await;
        }
    }

    /// Goes away half-way, more often than not; asks again with the same key afterwards.
    async fn impatient(
        &self,
        salt: usize,
        answer: impl Future<Output = shared::Result<Response>>,
    ) -> shared::Result<Response> {
        let patience = Duration::from_micros(200 * (salt as u64 % 25));
        match tokio::time::timeout(patience, answer).await {
            Ok(answer) => answer,
            Err(_) => {
                self.known.lock().unwrap().disconnects += 1;
                Err(shared::Failure::transient("waiting", "the client went away"))
            }
        }
    }

    /// Sends until the answer settles it, now and then to another command-api.
    async fn send(
        &self,
        id: &str,
        salt: usize,
        command: &Value,
        after: i64,
        token: &mut Option<String>,
    ) -> Told {
        let (method, path, body) = rest(command.clone());
        let headers = [
            ("content-type", "application/json"),
            ("idempotency-key", id),
            ("x-correlation-id", id),
        ];
        let (started, mut backoff) = (Instant::now(), Backoff::for_servers());
        for attempt in 0.. {
            let client = &self.commands[(salt + attempt) % self.commands.len()];
            let answer = client.send(method.clone(), &path, &headers, body.clone());
            let answer = match salt.is_multiple_of(10) && attempt == 0 {
                true => self.impatient(salt, answer).await,
                false => answer.await,
            };
            if let Ok(answer) = answer
                && let Some(told) = settled(&answer, command, after)
            {
                if let Some(Ok(value)) =
                    answer.headers.get("consistency-token").map(|value| value.to_str())
                {
                    *token = Some(value.to_owned());
                }
                return told;
            }
            if started.elapsed() > PATIENCE {
                break;
            }
            backoff.sleep().await;
        }
        Told::Unknown
    }
}

fn settled(answer: &Response, command: &Value, after: i64) -> Option<Told> {
    if answer.status.is_success() {
        let version = answer.json().ok()?["version"].as_i64()?;
        let order = command["order_id"].as_str().unwrap_or_default().to_owned();
        return Some(Told::Acknowledged { order, version });
    }
    let refused = || Told::Refused { command: command.clone(), after, why: reason(answer) };
    (!waybill::load::is_passing(answer.status, &answer.body)).then(refused)
}

fn reason(answer: &Response) -> String {
    let problem = answer.json().unwrap_or_default();
    let told = problem["rule"].as_str().or_else(|| problem["type"].as_str());
    told.map_or_else(|| answer.status.to_string(), str::to_owned)
}
