//! Spans of events that are applied.

use kernel::log::Recorded;
use shared::service::traces::{Attributes, Kind, Step, recorded};

/// Events that are being applied, and the traces of those that have one.
pub(crate) struct Traced(Option<(Step, Vec<(String, Attributes)>)>);

impl Traced {
    /// Keeps what is to be told of these events. Costs nothing where no traces are recorded.
    pub(crate) fn of(step: &'static str, events: &[Recorded]) -> Self {
        let traced = |step| {
            let of_event = |event: &Recorded| {
                let traceparent = recorded(event.meta.traceparent.as_deref())?;
                let about = vec![
                    ("waybill.stream", event.stream.to_string()),
                    ("waybill.version", event.version.to_string()),
                    ("waybill.event", event.event.kind.clone()),
                ];
                Some((traceparent.to_owned(), about))
            };
            (step, events.iter().filter_map(of_event).collect())
        };
        Self(Step::begin(step, Kind::Consumer).map(traced))
    }

    /// They are applied.
    pub(crate) fn end(self) {
        if let Some((step, events)) = self.0 {
            let members = events.iter().map(|(trace, of)| (Some(trace.as_str()), || of.clone()));
            step.end(vec![("messaging.operation.type", "process".to_owned())], members);
        }
    }
}
