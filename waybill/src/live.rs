//! A client of `GET /live`, which connects again and resumes where it was cut off.

pub mod sse;

use std::collections::VecDeque;
use std::time::Duration;

use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use kernel::{Failure, Result};
use serde_json::Value;
use shared::service::backoff::Backoff;

use self::sse::{Event, Parser};
use crate::client::{Body, Client};
use crate::output::text;

/// A stream in which so long nothing comes is given up: a silent one says every 15 s that it is alive.
const SILENCE: Duration = Duration::from_secs(45);
/// For the answer to begin.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// Of a problem that is told in place of a stream.
const PROBLEM_TIMEOUT: Duration = Duration::from_secs(5);

/// What there is next.
#[derive(Debug)]
pub enum News {
    /// A stream is open; `resumed` where it brings what was missed since the one before.
    Open {
        /// Whether it goes on behind the last event.
        resumed: bool,
    },
    /// Something was told.
    Event(Event),
    /// The stream ended or could not be opened, for this reason. It is tried again.
    Cut(String),
}

/// The stream of one question, as one stream over all connections.
pub struct Live {
    client: Client,
    path: String,
    /// The id of the last event that had one.
    last: Option<String>,
    open: Option<(Body, Parser)>,
    ready: VecDeque<Event>,
    backoff: Backoff,
    is_first: bool,
}

impl Live {
    /// Of the query-api, with this path and query, from behind the event `after` where it is given.
    pub fn new(client: Client, path: String, after: Option<String>) -> Self {
        let backoff = Backoff::for_servers();
        let ready = VecDeque::new();
        Self { client, path, last: after, open: None, ready, backoff, is_first: true }
    }

    /// Waits for what comes next. An error is an answer that would be the same again, such as to a
    /// filter that is not known, or an event that is too large.
    pub async fn next(&mut self) -> Result<News> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.backoff.reset();
                self.last = event.id.clone().or(self.last.take());
                return Ok(News::Event(event));
            }
            let Some((body, parser)) = &mut self.open else { return self.connect().await };
            let cut = match tokio::time::timeout(SILENCE, body.frame()).await {
                Ok(Some(Ok(frame))) => {
                    if let Ok(bytes) = frame.into_data() {
                        let what = "reading the live changes";
                        let events = parser.read(&bytes);
                        self.ready.extend(events.map_err(|why| Failure::permanent(what, why))?);
                    }
                    continue;
                }
                Ok(Some(Err(failure))) => failure.to_string(),
                Ok(None) => "the stream has ended".to_owned(),
                Err(_) => format!("nothing came for {} s", SILENCE.as_secs()),
            };
            self.open = None;
            return Ok(News::Cut(cut));
        }
    }

    async fn connect(&mut self) -> Result<News> {
        if !std::mem::take(&mut self.is_first) {
            self.backoff.sleep().await;
        }
        let resume = self.last.as_deref().map(|id| ("last-event-id", id));
        let headers: Vec<(&str, &str)> =
            [("accept", "text/event-stream")].into_iter().chain(resume).collect();
        let opened = self.client.open(Method::GET, &self.path, &headers, "");
        let answer = match tokio::time::timeout(ANSWER_TIMEOUT, opened).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(failure)) => return Ok(News::Cut(failure.to_string())),
            Err(_) => {
                let seconds = ANSWER_TIMEOUT.as_secs();
                return Ok(News::Cut(format!(
                    "no answer from {} in {seconds} s",
                    self.client.base()
                )));
            }
        };
        let status = answer.status();
        if status == StatusCode::OK {
            self.open = Some((answer.into_body(), Parser::default()));
            return Ok(News::Open { resumed: self.last.is_some() });
        }
        let why = format!("{status}: {}", problem(answer.into_body()).await);
        match status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            true => Ok(News::Cut(why)),
            false => Err(Failure::permanent("following changes", why)),
        }
    }
}

/// What the answer says in place of a stream.
async fn problem(body: Body) -> String {
    let body = tokio::time::timeout(PROBLEM_TIMEOUT, body.collect()).await;
    let bytes = body.ok().and_then(Result::ok).map(|body| body.to_bytes()).unwrap_or_default();
    let told: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    match told["detail"].is_string() {
        true => text(&told["detail"]),
        false => "it gives no reason".to_owned(),
    }
}
