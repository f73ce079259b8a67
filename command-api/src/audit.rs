//! Reads the log back: the feed of all commits, a stream's events, a stream's state at any point.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use shared::aggregate::Aggregate;
use shared::event_store::EventStore;
use shared::feed::cursor::Cursor;
use shared::log::{Commit, LogId, Position, Recorded, Run, StreamName, Version};
use shared::message::{CloudEvent, source};
use shared::problem::Problem;
use shared::{Failure, Timestamp};
use tokio::time::Instant;

use crate::Service;

#[derive(Serialize)]
pub struct Page {
    pub events: Vec<CloudEvent>,
    /// Where to go on: behind all that was returned, and behind tombstones.
    pub next: String,
    /// The highest position of the log.
    pub head: Position,
}

/// A place in the feed: `<log id>.<position>`, or a bare position.
pub fn parse_cursor(text: &str, log: &LogId) -> Result<Position, Problem> {
    let bad = || {
        Problem::malformed(format!(
            "Parameter \"after\": expected the `next` of an answer, or a position, got {text:?}."
        ))
    };
    let (of, position) = match text.split_once('.') {
        Some((of, position)) => (Some(of), position),
        None => (None, text),
    };
    let position = position.parse().ok().filter(|position| *position >= 0).ok_or_else(bad)?;
    match of {
        Some(of) if of != log.as_str() => Err(Problem::cursor_of_another_log(format!(
            "The log is {log} now; start again from its beginning."
        ))),
        _ => Ok(position),
    }
}

/// Whole commits behind `after`, in log order; waits for some up to `wait`.
pub async fn feed<A: Aggregate>(
    service: &Service<A>,
    after: Position,
    limit: usize,
    wait: Duration,
) -> Result<Page, Failure> {
    let deadline = Instant::now() + wait;
    let mut cursor = Cursor::new(service.store.clone(), after);
    let run = loop {
        let run = Run::take(after, service.store.read(after, limit).await?);
        let left = deadline.saturating_duration_since(Instant::now());
        if run.to > after || left.is_zero() || service.stop.is_cancelled() {
            break run;
        }
        tokio::select! {
            () = cursor.wait_for(left.min(Duration::from_millis(200))) => {}
            () = service.stop.cancelled() => {}
        }
    };
    let source = source(&service.namespace, &service.log);
    let events = run.commits.iter().flat_map(Commit::recorded);
    Ok(Page {
        events: events.map(|event| CloudEvent::new(event, &source)).collect(),
        next: format!("{}.{}", service.log, run.to),
        head: service.store.head().await?,
    })
}

/// All commits of a stream, oldest first.
pub async fn stream(
    store: &Arc<dyn EventStore>,
    stream: &StreamName,
) -> Result<Vec<Commit>, Failure> {
    store.streams(&[(stream, 0)]).await
}

/// Up to where a state is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    Now,
    /// With this event as the last.
    Version(Version),
    /// With all commits recorded until then.
    Time(Timestamp),
}

impl Until {
    fn takes(self, event: &Recorded) -> bool {
        match self {
            Self::Now => true,
            Self::Version(version) => event.version <= version,
            Self::Time(time) => event.at <= time,
        }
    }
}

/// The state of an aggregate as of `until`, with the version and time of its latest event.
pub fn state<A: Aggregate>(
    commits: &[Commit],
    until: Until,
) -> Result<Option<(A::State, Version, Timestamp)>, Failure> {
    let mut state = A::State::default();
    let mut latest = None;
    for event in commits.iter().flat_map(Commit::recorded).filter(|event| until.takes(event)) {
        let decoded = A::decode(&event.event)
            .map_err(|invalid| Failure::permanent("folding a stream", invalid.detail))?;
        A::evolve(&mut state, &decoded);
        latest = Some((event.version, event.at));
    }
    Ok(latest.map(|(version, at)| (state, version, at)))
}
