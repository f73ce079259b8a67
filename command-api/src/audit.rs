//! Reads the log back: the feed of all commits, a stream's events, a stream's state at any point.

use std::sync::Arc;
use std::time::Duration;

use kernel::aggregate::Aggregate;
use kernel::log::{Commit, LogId, Position, Recorded, Run, StreamName, Version};
use kernel::parameters::bad;
use kernel::{Failure, Timestamp};
use shared::event_store::EventStore;
use shared::http::Client;
use shared::http::consistency_token::FeedCursor;
use shared::http::problem::Problem;
use tokio::time::{Instant, timeout_at};

use crate::Service;
use crate::client_semaphore::Permit;

/// A part of the log.
pub struct Page {
    /// Whole commits, in log order.
    pub commits: Vec<Commit>,
    /// Where to go on: behind all that was returned, and behind tombstones.
    pub to: Position,
    /// The highest position of the log.
    pub head: Position,
    /// Others read once this page is dropped.
    _place: Permit,
}

/// Reads a place in the feed of `log`, and refuses one of another log.
pub fn parse_cursor(text: &str, log: &LogId) -> Result<Position, Problem> {
    let expected = "the `next` of an answer, or a position";
    let cursor = FeedCursor::parse(text).ok_or_else(|| bad("after", expected, text))?;
    match &cursor.log {
        Some(of) if of != log => Err(Problem::cursor_of_another_log(format!(
            "The log is {log} now; start again from its beginning."
        ))),
        _ => Ok(cursor.position),
    }
}

/// Whole commits behind `after`, in log order, at most `limit` and about `READ_BYTES`; waits for some
/// up to `wait`.
pub async fn feed<A: Aggregate>(
    service: &Service<A>,
    client: Option<&Client>,
    after: Position,
    limit: usize,
    wait: Duration,
) -> Result<Page, Failure> {
    let deadline = Instant::now() + wait;
    let mut place = service.reading(client).await?;
    let run = loop {
        let run = Run::take(after, service.store.read(after, limit).await?);
        if run.to > after || Instant::now() >= deadline {
            break run;
        }
        drop(place); // Others read while this one waits.
        let more = timeout_at(deadline, service.log_watch.goes_on(after));
        let more = service.stop.run_until_cancelled(more).await;
        place = service.reading(client).await?;
        if !matches!(more, Some(Ok(()))) {
            break run; // Nothing has come in time, or the service stops.
        }
    };
    let head = service.store.head().await?;
    Ok(Page { commits: run.commits, to: run.to, head, _place: place })
}

/// A part of a stream's events.
pub struct Events {
    pub events: Vec<Recorded>,
    /// Whether more follow.
    pub more: bool,
}

/// Events of a stream above `after`, oldest first, at most `limit` and about `READ_BYTES`; `None` when
/// there is no such stream.
pub async fn events(
    store: &Arc<dyn EventStore>,
    stream: &StreamName,
    after: Version,
    limit: usize,
) -> Result<Option<Events>, Failure> {
    let part = store.read_streams(&[(stream, after)]).await?;
    if part.commits.is_empty() && !exists(store, stream).await? {
        return Ok(None);
    }
    let events = part.commits.iter().flat_map(Commit::recorded);
    let mut events: Vec<Recorded> = events.filter(|event| event.version > after).collect();
    let more = !part.complete || events.len() > limit;
    events.truncate(limit);
    Ok(Some(Events { events, more }))
}

async fn exists(store: &Arc<dyn EventStore>, stream: &StreamName) -> Result<bool, Failure> {
    Ok(!store.read_streams(&[(stream, 0)]).await?.commits.is_empty())
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

/// A state of an aggregate in the past.
pub struct Past<S> {
    pub state: S,
    /// Of its latest event, with its time.
    pub version: Version,
    pub at: Timestamp,
    /// Others fold once this is dropped.
    _place: Permit,
}

/// What a fold up to `until` found.
pub enum Folded<S> {
    /// There is no such stream.
    Nothing,
    /// Its first event is later.
    NotYet,
    /// It has fewer versions than were asked for; this is the last.
    Shorter(Version),
    Past(Past<S>),
}

/// Folds a stream up to `until`, a part of it at a time. Between the parts others read: however long a
/// stream is, it takes a place for reads for one part alone. The state grows all the while, so folds have
/// places of their own.
pub async fn state<A: Aggregate>(
    service: &Service<A>,
    client: Option<&Client>,
    stream: &StreamName,
    until: Until,
) -> Result<Folded<A::State>, Failure> {
    let place_to_fold = service.folding(client).await?;
    let mut state = A::State::default();
    let (mut latest, mut last) = (None, 0);
    loop {
        let place = service.reading(client).await?;
        let part = service.store.read_streams(&[(stream, last)]).await?;
        for event in part.commits.iter().flat_map(Commit::recorded) {
            last = event.version;
            if until.takes(&event) {
                let decoded = A::decode(&event.event)
                    .map_err(|invalid| Failure::permanent("folding a stream", invalid.detail))?;
                A::evolve(&mut state, &decoded);
                latest = Some((event.version, event.at));
            }
        }
        if part.complete {
            break;
        }
        drop((part, place));
    }
    Ok(match (latest, until) {
        _ if last == 0 => Folded::Nothing,
        (_, Until::Version(version)) if version > last => Folded::Shorter(last),
        (None, _) => Folded::NotYet,
        (Some((version, at)), _) => {
            Folded::Past(Past { state, version, at, _place: place_to_fold })
        }
    })
}
