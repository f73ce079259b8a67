//! What a look at all services found.

use serde::Serialize;
use serde_json::Value;

/// One look. What no service told is `null`, and `missing` says why.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Sample {
    /// When it was taken, by the clock of this machine.
    pub at: String,
    /// The log, as command-api tells it.
    pub log: Option<Log>,
    /// The live views, as a projector tells them.
    pub views: Option<Views>,
    /// The changes, as query-api tells them.
    pub changes: Option<Changes>,
    /// Every set of views.
    pub generations: Option<Vec<Value>>,
    /// Every process that was asked.
    pub services: Vec<Service>,
    /// The totals, as query-api tells them.
    pub totals: Option<Value>,
    /// Messages that wait for the live views on RabbitMQ, as a projector tells them; those that a worker
    /// holds are left out.
    pub queue: Option<u64>,
    /// Messages that are no events.
    pub dead_letters: Option<u64>,
    /// What could not be told.
    pub missing: Vec<Missing>,
}

/// The log.
#[derive(Debug, Clone, Serialize)]
pub struct Log {
    /// The highest position.
    pub head: i64,
    /// Positions per second since the look before: one for each commit, and for each hole that was
    /// sealed. `null` at the first look, and when the log is another one.
    pub positions_per_second: Option<f64>,
}

/// The live views.
#[derive(Debug, Clone, Serialize)]
pub struct Views {
    /// Their generation.
    pub generation: String,
    /// Every commit up to here is applied and checked, or parked.
    pub checkpoint: i64,
    /// The highest position of the log, read after the checkpoint.
    pub head: i64,
    /// Positions from the checkpoint to the head.
    pub behind: i64,
    /// Streams that are parked.
    pub parked: u64,
}

/// Changes of the views, as `GET /live` tells them.
#[derive(Debug, Clone, Serialize)]
pub struct Changes {
    /// Changes told per second since the look before; those of one stream within 10 ms are one.
    pub per_second: f64,
    /// The longest time from when an event was recorded until it was told, in milliseconds, since the
    /// look before; `null` without a change.
    pub lag_ms: Option<i64>,
    /// The highest position that is applied, as told last.
    pub applied: Option<i64>,
    /// Streams that changed most in the last 30 to 60 s.
    pub hottest: Vec<Hottest>,
}

/// A stream that changes often.
#[derive(Debug, Clone, Serialize)]
pub struct Hottest {
    /// Its name.
    pub stream: String,
    /// How many changes of it were told, at least.
    pub changes: u64,
}

/// One process.
#[derive(Debug, Clone, Serialize)]
pub struct Service {
    /// `command-api`, `query-api` or `projector`.
    pub service: &'static str,
    /// Where it is.
    pub url: String,
    /// What it is doing.
    pub state: State,
    /// What it waits for, or tells beside being ready; why it could not be reached.
    pub note: Option<String>,
    /// The generation that a projector serves.
    pub serves: Option<String>,
}

/// The state of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It serves.
    Ready,
    /// It serves not, or not all.
    Waiting,
    /// It did not answer.
    Unreachable,
}

/// What is not told.
#[derive(Debug, Clone, Serialize)]
pub struct Missing {
    /// The name of the field.
    pub what: &'static str,
    /// Why.
    pub why: String,
}

impl Sample {
    /// Whether every process is ready.
    pub fn is_ready(&self) -> bool {
        self.services.iter().all(|service| service.state == State::Ready)
    }

    /// Why something is not told, where it is not.
    pub fn why_missing(&self, what: &str) -> Option<&str> {
        self.missing.iter().find(|it| it.what == what).map(|it| it.why.as_str())
    }
}

impl State {
    /// As it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Waiting => "waiting",
            Self::Unreachable => "unreachable",
        }
    }
}
