//! Spans of events that are applied.

use std::collections::BTreeMap;

use kernel::log::{Recorded, StreamName, Version};
use shared::service::traces::{Attributes, Kind, Step, recorded};

/// Events that are being applied, and the traces of those that have one.
pub(crate) struct Traced(Option<Recording>);

struct Recording {
    step: Step,
    events: Vec<Traceable>,
    /// Why streams were parked, and from which version on.
    parked: BTreeMap<StreamName, (Version, String)>,
}

struct Traceable {
    traceparent: String,
    stream: StreamName,
    version: Version,
    kind: String,
}

impl Traced {
    /// Of events that no span is told of.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Keeps what is to be told of these events. Costs nothing where no traces are recorded.
    pub(crate) fn of(step: &'static str, events: &[Recorded]) -> Self {
        let traced = |step| {
            let of_event = |event: &Recorded| {
                let traceparent = recorded(event.meta.traceparent.as_deref())?.to_owned();
                let (stream, kind) = (event.stream.clone(), event.event.kind.clone());
                Some(Traceable { traceparent, stream, version: event.version, kind })
            };
            let events = events.iter().filter_map(of_event).collect();
            Recording { step, events, parked: BTreeMap::new() }
        };
        Self(Step::begin(step, Kind::Consumer).map(traced))
    }

    /// Events of the stream from this version on are not applied: it is parked.
    pub(crate) fn parked(&mut self, stream: &StreamName, version: Version, why: &str) {
        if let Some(recording) = &mut self.0 {
            recording.parked.insert(stream.clone(), (version, format!("parked: {why}")));
        }
    }

    /// They are applied, but for those that are parked; or `result` says why they are not.
    pub(crate) fn end<T, E: ToString>(self, result: &Result<T, E>) {
        let Some(Recording { step, events, parked }) = self.0 else { return };
        let stuck = |event: &Traceable| {
            let (version, why) = parked.get(&event.stream)?;
            (event.version >= *version).then_some(why)
        };
        let applied = events.iter().filter(|event| stuck(event).is_none());
        tell(step.clone().became(result), applied);
        for (stream, (_, why)) in &parked {
            let of_stream = |event: &&Traceable| event.stream == *stream && stuck(event).is_some();
            tell(step.clone().failed(why), events.iter().filter(of_stream));
        }
    }
}

fn tell<'a>(step: Step, events: impl Iterator<Item = &'a Traceable>) {
    let about = |event: &'a Traceable| -> (Option<&'a str>, _) {
        let of_event = || -> Attributes {
            vec![
                ("waybill.stream", event.stream.to_string()),
                ("waybill.version", event.version.to_string()),
                ("waybill.event", event.kind.clone()),
            ]
        };
        (Some(event.traceparent.as_str()), of_event)
    };
    step.end(vec![("messaging.operation.type", "process".to_owned())], events.map(about));
}
