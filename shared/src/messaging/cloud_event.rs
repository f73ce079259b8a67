//! How events travel: as CloudEvents 1.0 in JSON, one by one or several in an array
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>).

use std::borrow::Cow;

use kernel::json::Json;
use kernel::log::{Commit, Event, LogId, Meta, Recorded, StreamName, Version};
use kernel::{Namespace, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

/// The content type of a message that is one event.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";
/// The content type of a message that is an array of events (CloudEvents, JSON batch format).
pub const BATCH_CONTENT_TYPE: &str = "application/cloudevents-batch+json";
/// In front of every event's name in the attribute `type`.
pub const TYPE_PREFIX: &str = "waybill.";
/// In front of event name and schema version in the attribute `dataschema`.
pub const SCHEMA_PREFIX: &str = "/schemas/";

/// The attributes, in the order in which they are written. `sequence` and `position` are strings
/// of 19 digits: CloudEvents' integers have 32 bits, and its `sequence` sorts as text.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct CloudEvent<'a> {
    /// Always `1.0`.
    #[serde(borrow)]
    #[schemars(extend("const" = "1.0"))]
    pub specversion: Cow<'a, str>,
    /// UUIDv7 of the event.
    pub id: Uuid,
    /// `/<namespace>/<log id>`.
    #[serde(borrow)]
    #[schemars(extend("format" = "uri-reference"))]
    pub source: Cow<'a, str>,
    /// `waybill.<event>`.
    #[serde(borrow)]
    pub r#type: Cow<'a, str>,
    /// The stream.
    pub subject: StreamName,
    /// When the event was recorded.
    pub time: Timestamp,
    /// Always `application/json`.
    #[serde(borrow)]
    #[schemars(extend("const" = "application/json"))]
    pub datacontenttype: Cow<'a, str>,
    /// `/schemas/<event>/<schema version>`: a path of command-api, at which the schema of `data` is.
    #[serde(borrow)]
    #[schemars(extend("format" = "uri-reference"))]
    pub dataschema: Cow<'a, str>,
    /// Version in the stream.
    #[serde(borrow)]
    #[schemars(regex(pattern = "^[0-9]{19}$"))]
    pub sequence: Cow<'a, str>,
    /// Position of the commit in the log.
    #[serde(borrow)]
    #[schemars(regex(pattern = "^[0-9]{19}$"))]
    pub position: Cow<'a, str>,
    /// Place inside the commit, from 0.
    pub index: u32,
    /// Ties together what one request led to.
    #[serde(borrow)]
    pub correlationid: Cow<'a, str>,
    /// What led to the request.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub causationid: Option<Cow<'a, str>>,
    /// On whose behalf.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Cow<'a, str>>,
    /// Of the request (<https://www.w3.org/TR/trace-context/>).
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<Cow<'a, str>>,
    /// What happened.
    pub data: Json,
}

/// The attribute `source` of all events of a log.
pub fn source(namespace: &Namespace, log: &LogId) -> String {
    format!("/{namespace}/{log}")
}

impl<'a> CloudEvent<'a> {
    /// An event that was taken out of its commit.
    pub fn new(event: Recorded, source: &'a str) -> Self {
        let Recorded { position, index, stream, version, at, meta, event } = event;
        let kind = event.kind;
        Self {
            specversion: "1.0".into(),
            id: event.id,
            source: source.into(),
            r#type: format!("{TYPE_PREFIX}{kind}").into(),
            subject: stream,
            time: at,
            datacontenttype: "application/json".into(),
            dataschema: format!("{SCHEMA_PREFIX}{kind}/{}", event.schema).into(),
            sequence: format!("{version:019}").into(),
            position: format!("{position:019}").into(),
            index,
            correlationid: meta.correlation.into(),
            causationid: meta.causation.map(Cow::Owned),
            actor: meta.actor.map(Cow::Owned),
            traceparent: meta.traceparent.map(Cow::Owned),
            data: event.data,
        }
    }

    /// The events of a commit, in their order.
    pub fn of_commit(commit: &'a Commit, source: &'a str) -> impl Iterator<Item = Self> {
        let position = format!("{:019}", commit.position);
        commit.events.iter().zip(0..).map(move |(event, index)| {
            let (kind, meta) = (&event.kind, &commit.meta);
            Self {
                specversion: "1.0".into(),
                id: event.id,
                source: source.into(),
                r#type: format!("{TYPE_PREFIX}{kind}").into(),
                subject: commit.stream.clone(),
                time: commit.at,
                datacontenttype: "application/json".into(),
                dataschema: format!("{SCHEMA_PREFIX}{kind}/{}", event.schema).into(),
                sequence: format!("{:019}", commit.from + Version::from(index)).into(),
                position: position.clone().into(),
                index,
                correlationid: meta.correlation.as_str().into(),
                causationid: meta.causation.as_deref().map(Cow::Borrowed),
                actor: meta.actor.as_deref().map(Cow::Borrowed),
                traceparent: meta.traceparent.as_deref().map(Cow::Borrowed),
                data: event.data.clone(),
            }
        })
    }

    /// The event, or why this is none of ours.
    pub fn into_recorded(self) -> Result<Recorded, String> {
        let kind = self.r#type.strip_prefix(TYPE_PREFIX);
        let kind = kind.ok_or_else(|| format!("its type is {:?}", self.r#type))?.to_owned();
        let schema = self.dataschema.rsplit('/').next().and_then(|text| text.parse().ok());
        let number = |name: &str, text: &str| {
            text.parse::<i64>().map_err(|_| format!("its {name} is {text:?}, no number"))
        };
        Ok(Recorded {
            position: number("position", &self.position)?,
            index: self.index,
            stream: self.subject,
            version: number("sequence", &self.sequence)?,
            at: self.time,
            meta: Meta {
                correlation: self.correlationid.into_owned(),
                causation: self.causationid.map(Cow::into_owned),
                actor: self.actor.map(Cow::into_owned),
                traceparent: self.traceparent.map(Cow::into_owned),
            },
            event: Event {
                id: self.id,
                schema: schema.ok_or_else(|| format!("its dataschema is {:?}", self.dataschema))?,
                kind,
                data: self.data,
            },
        })
    }

    fn of_log(self, log: &LogId) -> Result<Recorded, String> {
        if !self.source.ends_with(log.as_str()) {
            return Err(format!("it is from {}, not from log {log}", self.source));
        }
        self.into_recorded()
    }
}

/// What a message holds.
#[derive(Debug, Default, PartialEq)]
pub struct Decoded {
    /// The events, in their order.
    pub events: Vec<Recorded>,
    /// What is no event of the log.
    pub rejected: Vec<Rejected>,
}

/// A message, or an element of one, that is no event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Its bytes.
    pub body: Vec<u8>,
    /// Why it is no event.
    pub reason: String,
}

/// Reads the body of a message that belongs to `log`: one event, or an array of them.
pub fn decode(body: &[u8], log: &LogId) -> Decoded {
    let rejected = |reason: String| Decoded {
        events: vec![],
        rejected: vec![Rejected { body: body.to_vec(), reason }],
    };
    if body.trim_ascii_start().first() != Some(&b'[') {
        return match one(body, log) {
            Ok(event) => Decoded { events: vec![event], rejected: vec![] },
            Err(reason) => rejected(reason),
        };
    }
    let elements: Vec<&RawValue> = match serde_json::from_slice(body) {
        Ok(elements) => elements,
        Err(error) => return rejected(error.to_string()),
    };
    if elements.is_empty() {
        return rejected("it is an array without events".to_owned());
    }
    let mut decoded = Decoded::default();
    for element in elements {
        let body = element.get().as_bytes();
        match one(body, log) {
            Ok(event) => decoded.events.push(event),
            Err(reason) => decoded.rejected.push(Rejected { body: body.to_vec(), reason }),
        }
    }
    decoded
}

fn one(body: &[u8], log: &LogId) -> Result<Recorded, String> {
    let event: CloudEvent<'_> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    event.of_log(log)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_survives_the_wire() {
        let log = LogId::random();
        let event = Recorded {
            position: 7,
            index: 1,
            stream: StreamName::new("order", Uuid::new_v4()),
            version: 3,
            at: Timestamp::now(),
            meta: Meta { correlation: "c".to_owned(), ..Meta::default() },
            event: Event {
                id: Uuid::now_v7(),
                kind: "OrderCancelled".to_owned(),
                schema: 2,
                data: serde_json::json!({ "reason": "changed my mind" }).into(),
            },
        };
        let source = source(&Namespace::default(), &log);
        let body = serde_json::to_vec(&CloudEvent::new(event.clone(), &source)).expect("JSON");
        let read = decode(&body, &log);
        assert_eq!(read, Decoded { events: vec![event.clone()], rejected: vec![] });
        assert!(decode(&body, &LogId::random()).events.is_empty(), "an event of another log");
        // In an array each element is judged by itself.
        let mut batch = [b"[{\"no\":\"event\"},".as_slice(), &body, b",7]"].concat();
        let read = decode(&batch, &log);
        assert_eq!(read.events, [event]);
        let bodies = read.rejected.iter().map(|one| one.body.as_slice());
        assert_eq!(bodies.collect::<Vec<_>>(), [b"{\"no\":\"event\"}".as_slice(), b"7"]);
        batch.pop();
        for whole in [&batch[..], b"{}", b"", b"[]", b"[1"] {
            let read = decode(whole, &log);
            assert_eq!((read.events.len(), read.rejected[0].body.as_slice()), (0, whole));
        }
    }

    #[test]
    fn the_events_of_a_commit_are_written_like_each_of_them() {
        let event = |index| Event {
            id: Uuid::from_u128(index),
            kind: "Happened".to_owned(),
            schema: 1,
            data: serde_json::json!({ "index": index as u64 }).into(),
        };
        let commit = Commit {
            position: 3,
            stream: StreamName::new("order", Uuid::nil()),
            from: 4,
            to: 5,
            events: vec![event(0), event(1)],
            at: Timestamp::default(),
            meta: Meta { correlation: "c".to_owned(), actor: Some("a".into()), ..Meta::default() },
            key: None,
            fingerprint: String::new(),
        };
        let written = |event: &CloudEvent<'_>| serde_json::to_string(event).unwrap();
        let together: Vec<_> =
            CloudEvent::of_commit(&commit, "s").map(|event| written(&event)).collect();
        let each = commit.recorded().map(|event| written(&CloudEvent::new(event, "s")));
        assert_eq!(together, each.collect::<Vec<_>>());
    }
}
