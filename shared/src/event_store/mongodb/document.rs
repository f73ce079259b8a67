//! How entries are written as documents.

use kernel::json::Json;
use kernel::log::{Commit, Entry, Event, Meta, Position, StreamName, Version};
use kernel::{Failure, Result, Timestamp};
use mongodb::bson::{self, DateTime, RawDocumentBuf};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The stream of what is no commit: tombstones and the log's identity.
pub const NO_STREAM: &str = "~";

#[derive(Debug, Serialize, Deserialize)]
pub struct CommitDocument {
    _id: Position,
    stream: String,
    from: Version,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<Version>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    events: Vec<EventDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<DateTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    meta: Option<Meta>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct EventDocument {
    /// As text: a person reads it in the shell as in the API.
    id: String,
    r#type: String,
    schema: u32,
    data: Data,
}

/// The JSON of an event: its text, as it was written. Logs of format 1 have it as a document.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Data {
    Text(String),
    Document(Value),
}

pub fn encode(entry: &Entry) -> Result<RawDocumentBuf> {
    let document = match entry {
        Entry::Commit(commit) => commit_document(commit),
        Entry::Tombstone(position) => tombstone(*position),
    };
    bson::serialize_to_raw_document_buf(&document)
        .map_err(|error| Failure::permanent("encoding a commit", error))
}

fn commit_document(commit: &Commit) -> CommitDocument {
    let event = |event: &Event| EventDocument {
        id: event.id.to_string(),
        r#type: event.kind.clone(),
        schema: event.schema,
        data: Data::Text(event.data.as_str().to_owned()),
    };
    CommitDocument {
        _id: commit.position,
        stream: commit.stream.as_str().to_owned(),
        from: commit.from,
        to: Some(commit.to),
        events: commit.events.iter().map(event).collect(),
        at: Some(DateTime::from_millis(commit.at.as_millis())),
        meta: Some(commit.meta.clone()),
        key: commit.key.clone(),
        fingerprint: Some(commit.fingerprint.clone()),
    }
}

/// `from` differs from tombstone to tombstone, or they would collide with each other.
fn tombstone(position: Position) -> CommitDocument {
    CommitDocument {
        _id: position,
        stream: NO_STREAM.to_owned(),
        from: position,
        to: None,
        events: vec![],
        at: None,
        meta: None,
        key: None,
        fingerprint: None,
    }
}

impl TryFrom<CommitDocument> for Entry {
    type Error = Failure;

    fn try_from(document: CommitDocument) -> Result<Self> {
        let position = document._id;
        if document.stream == NO_STREAM {
            return Ok(Self::Tombstone(position));
        }
        let bad = |why: &str| Failure::permanent(&format!("reading commit {position}"), why);
        let events = document.events.into_iter().map(|event| {
            let id = event.id.parse().map_err(|_| bad("an event's id is no UUID"))?;
            let data = match event.data {
                Data::Text(text) => Json::parse(text).map_err(|why| bad(&why))?,
                Data::Document(value) => Json::from(value),
            };
            Ok(Event { id, kind: event.r#type, schema: event.schema, data })
        });
        Ok(Self::Commit(Commit {
            position,
            stream: StreamName::stored(document.stream),
            from: document.from,
            to: document.to.ok_or_else(|| bad("`to` is missing"))?,
            events: events.collect::<Result<_>>()?,
            at: Timestamp::from_millis(
                document.at.ok_or_else(|| bad("`at` is missing"))?.timestamp_millis(),
            ),
            meta: document.meta.unwrap_or_default(),
            key: document.key,
            fingerprint: document.fingerprint.unwrap_or_default(),
        }))
    }
}
