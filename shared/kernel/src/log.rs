//! The log: commits, numbered 1, 2, 3, … without a gap.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Timestamp;
use crate::json::Json;

/// The place of a commit in the log. The first is 1; 0 lies before it. Cursors, checkpoints and
/// tokens are positions of commits, so none ever lies inside a commit.
pub type Position = i64;

/// The place of an event in its stream. The first is 1; 0 is a stream without events.
pub type Version = i64;

/// Events of one commit at most, so that the commit of any version can be found by its first.
pub const MAX_EVENTS: usize = 100;

/// The name of a stream: `<category>-<id>`.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
#[schemars(inline)]
pub struct StreamName(String);

impl StreamName {
    /// The stream of the aggregate `id` of this category: ASCII letters and digits alone.
    pub fn new(category: &str, id: Uuid) -> Self {
        Self(format!("{category}-{id}"))
    }

    /// Takes over the name from where it was stored.
    pub fn stored(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// Reads the name as `new` writes it.
    pub fn parse(name: &str) -> Option<Self> {
        let (category, id) = name.split_once('-')?;
        let named =
            !category.is_empty() && category.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_id = id.parse().is_ok_and(|uuid: Uuid| uuid.to_string() == id);
        (named && is_id).then(|| Self(name.to_owned()))
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part behind the category.
    pub fn id(&self) -> &str {
        self.0.split_once('-').map_or("", |(_, id)| id)
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which log this is: drawn once when a log is made, and carried by everything that speaks of
/// positions in it. Another id means other contents behind the same positions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct LogId(String);

impl LogId {
    /// A new id, for a log that is made or renewed now.
    pub fn random() -> Self {
        Self(Uuid::new_v4().simple().to_string())
    }

    /// Takes over the id from where it was stored.
    pub fn stored(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// Reads an id as `random` makes it.
    pub fn parse(id: &str) -> Option<Self> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (id.len() == 32 && id.bytes().all(is_digit)).then(|| Self(id.to_owned()))
    }

    /// The id as text: 32 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One event as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// UUIDv7.
    pub id: Uuid,
    /// The event's name in the domain, such as `OrderCreated`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Version of the schema of `data`, from 1.
    pub schema: u32,
    /// What happened, as the domain wrote it.
    pub data: Json,
}

/// Why a commit was written, and on whose behalf.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Meta {
    /// `X-Correlation-Id` of the request, else one that was made for it.
    pub correlation: String,
    /// `X-Causation-Id` of the request: what led to the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation: Option<String>,
    /// The principal that sent the command; none where clients are anonymous.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// `traceparent` of the request (W3C Trace Context).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// The events of one command: written together or not at all, and never changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    /// Its place in the log.
    pub position: Position,
    /// The stream that it belongs to.
    pub stream: StreamName,
    /// Version of the first event.
    pub from: Version,
    /// Version of the last event.
    pub to: Version,
    /// 1 to `MAX_EVENTS` events, in the order in which they happened.
    pub events: Vec<Event>,
    /// When it was recorded: never before the stream's previous commit.
    pub at: Timestamp,
    /// Where it came from.
    pub meta: Meta,
    /// `<principal>/<Idempotency-Key>`, where the client gave a key.
    pub key: Option<String>,
    /// Of the request, to tell a repeated key from a reused one.
    pub fingerprint: String,
}

impl Commit {
    /// The commit's events, each with its place in the stream and in the log.
    pub fn recorded(&self) -> impl Iterator<Item = Recorded> + '_ {
        self.events.iter().enumerate().map(|(index, event)| Recorded {
            position: self.position,
            index: u32::try_from(index).unwrap_or(u32::MAX),
            stream: self.stream.clone(),
            version: self.from + index as Version,
            at: self.at,
            meta: self.meta.clone(),
            event: event.clone(),
        })
    }

    /// Whether this is that commit, by the ids of its events.
    pub fn is_same_as(&self, other: &Self) -> bool {
        let ids = |commit: &Self| commit.events.iter().map(|e| e.id).collect::<Vec<_>>();
        self.stream == other.stream && ids(self) == ids(other)
    }
}

/// One event with its address: (`position`, `index`) in the log, (`stream`, `version`) in its stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Position of the event's commit.
    pub position: Position,
    /// The event's place inside its commit, from 0.
    pub index: u32,
    /// The stream that it belongs to.
    pub stream: StreamName,
    /// The event's place in its stream.
    pub version: Version,
    /// When its commit was recorded.
    pub at: Timestamp,
    /// Where its commit came from.
    pub meta: Meta,
    /// The event itself.
    pub event: Event,
}

/// What stands at a position.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly all entries are commits")]
pub enum Entry {
    /// Events of one stream.
    Commit(Commit),
    /// Nothing, for ever: the position was drawn and not used.
    Tombstone(Position),
}

impl Entry {
    /// The position at which it stands.
    pub fn position(&self) -> Position {
        match self {
            Self::Commit(commit) => commit.position,
            Self::Tombstone(position) => *position,
        }
    }

    /// The commit; `None` for a tombstone.
    pub fn into_commit(self) -> Option<Commit> {
        match self {
            Self::Commit(commit) => Some(commit),
            Self::Tombstone(_) => None,
        }
    }
}

/// The gap-free part of a read, and the hole behind it.
#[derive(Debug, PartialEq)]
pub struct Run {
    /// The commits of the run, in log order; tombstones are left out.
    pub commits: Vec<Commit>,
    /// The last position of the run: where the next read goes on.
    pub to: Position,
    /// Positions that are missing right behind the run although something stands above them.
    pub hole: Option<std::ops::Range<Position>>,
}

impl Run {
    /// Takes from `entries` (ascending, all above `after`) what follows `after` without a gap.
    pub fn take(after: Position, entries: Vec<Entry>) -> Self {
        let mut run = Self { commits: Vec::with_capacity(entries.len()), to: after, hole: None };
        for entry in entries {
            if entry.position() != run.to + 1 {
                run.hole = Some(run.to + 1..entry.position());
                break;
            }
            run.to = entry.position();
            run.commits.extend(entry.into_commit());
        }
        run
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_passes_tombstones_and_stops_at_a_hole() {
        let entries = [4, 5, 8].map(Entry::Tombstone).to_vec();
        let run = Run::take(3, entries);
        assert_eq!(run, Run { commits: vec![], to: 5, hole: Some(6..8) });
    }

    #[test]
    fn an_empty_read_is_an_empty_run() {
        assert_eq!(Run::take(3, vec![]), Run { commits: vec![], to: 3, hole: None });
    }
}
