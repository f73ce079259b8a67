//! Spans of changes that are told to clients.

use kernel::log::StreamName;
use shared::service::traces::{Kind, Step};

/// Changes that are being told, and the traces that they are part of.
pub struct Traced(Option<Step>, Vec<(StreamName, String)>);

impl Traced {
    pub fn begin(traces: Vec<(StreamName, String)>) -> Self {
        Self(Step::begin("tell", Kind::Producer), traces)
    }

    /// Takes out what is of these streams: they are told later.
    pub fn take_out(&mut self, later: &[StreamName]) -> Vec<(StreamName, String)> {
        match later.is_empty() {
            true => vec![],
            false => self.1.extract_if(.., |(stream, _)| later.contains(stream)).collect(),
        }
    }

    /// They were handed out to all streams of events.
    pub fn end(self) {
        let Self(Some(step), traces) = self else { return };
        let member = |(stream, trace): &'_ (StreamName, String)| {
            let about = vec![("waybill.stream", stream.to_string())];
            (trace.clone(), about)
        };
        let members: Vec<_> = traces.iter().map(member).collect();
        step.end(vec![], members.iter().map(|(trace, of)| (Some(&trace[..]), || of.clone())));
    }
}
