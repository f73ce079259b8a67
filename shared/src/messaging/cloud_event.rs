//! The message: one event as CloudEvents 1.0 in JSON (<https://github.com/cloudevents/spec>).

use kernel::json::Json;
use kernel::log::{Event, LogId, Meta, Recorded, StreamName};
use kernel::{Namespace, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub const CONTENT_TYPE: &str = "application/cloudevents+json";
/// In front of every event's name in the attribute `type`.
const TYPE_PREFIX: &str = "waybill.";
/// In front of event name and schema version in the attribute `dataschema`.
const SCHEMA_PREFIX: &str = "/schemas/";

/// The attributes, in the order in which they are written. `sequence` and `position` are strings
/// of 19 digits: CloudEvents' integers have 32 bits, and its `sequence` sorts as text.
#[derive(Debug, Serialize, Deserialize)]
pub struct CloudEvent {
    pub specversion: String,
    pub id: Uuid,
    /// `/<namespace>/<log id>`.
    pub source: String,
    pub r#type: String,
    /// The stream.
    pub subject: StreamName,
    pub time: Timestamp,
    pub datacontenttype: String,
    pub dataschema: String,
    /// Version in the stream.
    pub sequence: String,
    /// Position of the commit in the log.
    pub position: String,
    /// Place inside the commit, from 0.
    pub index: u32,
    pub correlationid: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causationid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    pub data: Json,
}

/// The attribute `source` of all events of a log.
pub fn source(namespace: &Namespace, log: &LogId) -> String {
    format!("/{namespace}/{log}")
}

impl CloudEvent {
    pub fn new(event: Recorded, source: &str) -> Self {
        let Recorded { position, index, stream, version, at, meta, event } = event;
        Self {
            specversion: "1.0".to_owned(),
            id: event.id,
            source: source.to_owned(),
            r#type: format!("{TYPE_PREFIX}{}", event.kind),
            subject: stream,
            time: at,
            datacontenttype: "application/json".to_owned(),
            dataschema: format!("{SCHEMA_PREFIX}{}/{}", event.kind, event.schema),
            sequence: format!("{version:019}"),
            position: format!("{position:019}"),
            index,
            correlationid: meta.correlation,
            causationid: meta.causation,
            actor: meta.actor,
            traceparent: meta.traceparent,
            data: event.data,
        }
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
                correlation: self.correlationid,
                causation: self.causationid,
                actor: self.actor,
                traceparent: self.traceparent,
            },
            event: Event {
                id: self.id,
                schema: schema.ok_or_else(|| format!("its dataschema is {:?}", self.dataschema))?,
                kind,
                data: self.data,
            },
        })
    }
}

/// Reads the body of a message that belongs to `log`, or tells why it is none.
pub fn decode(body: &[u8], log: &LogId) -> Result<Recorded, String> {
    let event: CloudEvent = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if !event.source.ends_with(log.as_str()) {
        return Err(format!("it is from {}, not from log {log}", event.source));
    }
    event.into_recorded()
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
        assert_eq!(decode(&body, &log), Ok(event));
        assert!(decode(&body, &LogId::random()).is_err(), "an event of another log");
        assert!(decode(b"{}", &log).is_err());
    }
}
