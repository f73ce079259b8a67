//! How entries are written as rows.

use kernel::log::{Commit, Entry, Position, StreamName, Version};
use kernel::{Failure, Result, Timestamp};
use rusqlite::Row;

const NO_STREAM: &str = "~";

/// A row of `commits`; what is no tombstone has all columns.
#[derive(Debug)]
pub struct Stored {
    pub position: Position,
    pub stream: String,
    pub from: Version,
    pub to: Option<Version>,
    pub events: Option<String>,
    pub at: Option<i64>,
    pub meta: Option<String>,
    pub key: Option<String>,
    pub fingerprint: Option<String>,
}

impl Stored {
    pub fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            position: row.get(0)?,
            stream: row.get(1)?,
            from: row.get(2)?,
            to: row.get(3)?,
            events: row.get(4)?,
            at: row.get(5)?,
            meta: row.get(6)?,
            key: row.get(7)?,
            fingerprint: row.get(8)?,
        })
    }
}

impl Stored {
    /// Of its texts, and about those of its numbers.
    pub fn bytes(&self) -> usize {
        let texts = [&self.events, &self.meta, &self.key, &self.fingerprint];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        texts + self.stream.len() + 64
    }
}

impl TryFrom<&Entry> for Stored {
    type Error = Failure;

    fn try_from(entry: &Entry) -> Result<Self> {
        let bad = |error| Failure::permanent("encoding a commit", error);
        Ok(match entry {
            Entry::Tombstone(position) => Self {
                position: *position,
                stream: NO_STREAM.to_owned(),
                from: *position,
                to: None,
                events: None,
                at: None,
                meta: None,
                key: None,
                fingerprint: None,
            },
            Entry::Commit(commit) => Self {
                position: commit.position,
                stream: commit.stream.as_str().to_owned(),
                from: commit.from,
                to: Some(commit.to),
                events: Some(serde_json::to_string(&commit.events).map_err(bad)?),
                at: Some(commit.at.as_millis()),
                meta: Some(serde_json::to_string(&commit.meta).map_err(bad)?),
                key: commit.key.clone(),
                fingerprint: Some(commit.fingerprint.clone()),
            },
        })
    }
}

impl TryFrom<Stored> for Entry {
    type Error = Failure;

    fn try_from(row: Stored) -> Result<Self> {
        let position = row.position;
        let what = format!("reading commit {position}");
        let (Some(to), Some(events), Some(at), Some(meta)) = (row.to, row.events, row.at, row.meta)
        else {
            return Ok(Self::Tombstone(position));
        };
        let bad = |error| Failure::permanent(&what, error);
        Ok(Self::Commit(Commit {
            position,
            stream: StreamName::stored(row.stream),
            from: row.from,
            to,
            events: serde_json::from_str(&events).map_err(bad)?,
            at: Timestamp::from_millis(at),
            meta: serde_json::from_str(&meta).map_err(bad)?,
            key: row.key,
            fingerprint: row.fingerprint.unwrap_or_default(),
        }))
    }
}
