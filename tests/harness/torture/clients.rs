//! Clients that note what they asked for and what they were told.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::Value;
use shared::service::backoff::Backoff;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use waybill::client::{Client, Response};
use waybill::load::rest;
use waybill::load::scenario::Scenario;

use super::known::{Known, Told};
use super::watch::Watch;

/// Clients at a time.
const CLIENTS: u64 = 12;
/// How long one command is tried again.
const RETRY_TIMEOUT: Duration = Duration::from_secs(45);

/// What clients and faults share.
#[derive(Clone, Default)]
pub struct Shared {
    pub known: Arc<Mutex<Known>>,
    /// The command-apis that there are: faults let them come and go.
    pub commands: Arc<Mutex<Vec<Client>>>,
}

pub struct Clients {
    tasks: JoinSet<()>,
    shared: Shared,
}

impl Clients {
    pub fn start(shared: &Shared, queries: Client, seed: u64, over: &CancellationToken) -> Self {
        let mut tasks = JoinSet::new();
        for number in 0..CLIENTS {
            let one = One {
                commands: shared.commands.clone(),
                queries: queries.clone(),
                known: shared.known.clone(),
                over: over.clone(),
                name: format!("{seed}-{number}"),
            };
            tasks.spawn(one.work(Scenario::new(seed.wrapping_mul(1_000).wrapping_add(number))));
        }
        Self { tasks, shared: shared.clone() }
    }

    /// Waits for commands under way.
    pub async fn finish(self) -> Known {
        self.tasks.join_all().await;
        std::mem::take(&mut *self.shared.known.lock().unwrap())
    }
}

struct One {
    commands: Arc<Mutex<Vec<Client>>>,
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
        answer: impl Future<Output = kernel::Result<Response>>,
    ) -> kernel::Result<Response> {
        let stays = Duration::from_micros(200 * (salt as u64 % 25));
        match tokio::time::timeout(stays, answer).await {
            Ok(answer) => answer,
            Err(_) => {
                self.known.lock().unwrap().disconnects += 1;
                Err(kernel::Failure::transient("waiting", "the client went away"))
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
        // Whether each attempt so far certainly did nothing.
        let mut nothing = true;
        for attempt in 0.. {
            let client = self.one_of_them(salt + attempt);
            let answer = client.send(method.clone(), &path, &headers, body.clone());
            let answer = match salt.is_multiple_of(10) && attempt == 0 {
                true => self.impatient(salt, answer).await,
                false => answer.await,
            };
            nothing &= answer.as_ref().is_ok_and(|answer| self.nothing_was_done(answer));
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
            // Some try no more as soon as they may be sure that it was not done.
            if started.elapsed() > RETRY_TIMEOUT || (nothing && salt.is_multiple_of(5)) {
                break;
            }
            backoff.sleep().await;
        }
        if nothing { Told::NotDone } else { Told::Unknown }
    }

    fn one_of_them(&self, number: usize) -> Client {
        let commands = self.commands.lock().unwrap();
        commands[number % commands.len()].clone()
    }

    /// Whether the answer says so. Any 503 says when to come again, and `outcome-unknown` is one.
    fn nothing_was_done(&self, answer: &Response) -> bool {
        let problem = answer.json().unwrap_or_default();
        let kind = problem["type"].as_str().unwrap_or_default();
        if answer.status == StatusCode::SERVICE_UNAVAILABLE
            && !answer.headers.contains_key("retry-after")
        {
            let told = format!("a command was answered 503 without Retry-After: {problem}");
            self.known.lock().unwrap().violations.push(told);
        }
        matches!(kind, "/problems/unavailable" | "/problems/conflict")
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
