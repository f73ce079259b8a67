//! Events as they are sent.

use bytes::Bytes;
use kernel::Result;
use kernel::contract::Shape;
use kernel::live::{Facet, Live, Shown, unreadable};
use kernel::log::{Position, StreamName, Version};
use kernel::projection::Stored;
use kernel::timestamp::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use shared::http::api::{Object, ServerSentEvent};

use super::EventId;

/// A view that has changed, written once for all streams of events.
pub struct Changed {
    pub facets: Vec<Facet>,
    /// When its latest event was recorded.
    pub at: Timestamp,
    with_view: Bytes,
    without: Bytes,
}

#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct Data<'a> {
    stream: &'a StreamName,
    version: Version,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Value>")]
    view: Option<&'a RawValue>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct Skipped {
    views: u64,
}

#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct Reset<'a> {
    reason: &'a str,
}

/// What a silent stream says. It is an event, as a browser tells a page nothing of comments; it has data,
/// as an event without any is not told either; and no id, as the last one counts still.
pub const ALIVE: &[u8] = b"event: alive\ndata: {}\n\n";

impl Changed {
    pub fn new(stream: &StreamName, stored: Stored, live: &dyn Live) -> Result<Self> {
        let version = stored.version;
        let Shown { document, at, facets } = live.show(stored)?;
        let view: &RawValue = serde_json::from_slice(&document).map_err(unreadable)?;
        let write = |view| event("view", &Data { stream, version, view });
        Ok(Self { facets, at, with_view: write(Some(view))?, without: write(None)? })
    }

    #[cfg(test)]
    pub fn of_facets(facets: Vec<Facet>) -> Self {
        let (with_view, without) = (Bytes::from_static(b"with"), Bytes::from_static(b"without"));
        Self { facets, at: Timestamp::default(), with_view, without }
    }

    pub fn bytes(&self, with_view: bool) -> &Bytes {
        if with_view { &self.with_view } else { &self.without }
    }
}

/// How far the views are.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Checkpoint {
    /// Every commit up to here is in the views, or parked.
    pub position: Position,
    /// No commit behind this one is.
    pub applied: Position,
    /// The longest time, in milliseconds, from when an event was recorded until it was told, since
    /// the last checkpoint; none without a change.
    pub lag_ms: Option<i64>,
}

/// Events in one piece. The id stands at the last of them: what has none is told again to a client
/// that was cut off in between.
pub fn frame(events: &[&Bytes], id: Option<&EventId>) -> Bytes {
    let Some((last, others)) = events.split_last() else { return Bytes::new() };
    let mut frame = Vec::with_capacity(events.iter().map(|event| event.len()).sum::<usize>() + 128);
    others.iter().for_each(|event| frame.extend_from_slice(event));
    if let Some(id) = id {
        frame.extend_from_slice(format!("id: {id}\n").as_bytes());
    }
    frame.extend_from_slice(last);
    frame.into()
}

pub fn checkpoint(checkpoint: Checkpoint) -> Result<Bytes> {
    event("checkpoint", &checkpoint)
}

/// So many changes were not told, since more came than the client takes.
pub fn skipped(views: u64) -> Result<Bytes> {
    event("skipped", &Skipped { views })
}

/// The client has to read afresh whatever it shows; from this id on it is told all changes again.
pub fn reset(why: &str, id: &EventId) -> Result<Bytes> {
    Ok(frame(&[&event("reset", &Reset { reason: why })?], Some(id)))
}

/// All that there are, for the description; `view` is what one shows, `id` what its id looks like.
pub fn events(view: Option<Shape>, id: &'static str) -> Vec<ServerSentEvent> {
    let changed = json!({ "stream": "a-stream", "version": 1 });
    let told = json!({ "position": 1, "applied": 1, "lag_ms": null });
    let event = |name, data| ServerSentEvent { name, id: Some(id), data, member: None };
    vec![
        event("checkpoint", Shape::of::<Checkpoint>(told)),
        ServerSentEvent {
            member: view.map(|view| ("view", view)),
            ..event("view", Shape::of::<Data<'_>>(changed))
        },
        event("skipped", Shape::of::<Skipped>(json!({ "views": 17 }))),
        event("reset", Shape::of::<Reset<'_>>(json!({ "reason": "other views are live" }))),
        ServerSentEvent { id: None, ..event("alive", Shape::of::<Object>(json!({}))) },
    ]
}

fn event(name: &str, data: &impl Serialize) -> Result<Bytes> {
    let mut text = format!("event: {name}\ndata: ").into_bytes();
    let start = text.len();
    serde_json::to_writer(&mut text, data).map_err(unreadable)?;
    // JSON has line ends between its tokens alone, where a space means the same.
    text[start..].iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|it| *it = b' ');
    text.extend_from_slice(b"\n\n");
    Ok(text.into())
}
