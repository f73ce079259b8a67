//! What was read and is not told yet.

use std::collections::{HashMap, HashSet};

use kernel::log::{Position, StreamName};
use shared::view_store::{Generation, Place, Update};

/// Changed views that wait to be told: more would mean that telling does not keep up at all.
const MAX_VIEWS: usize = 50_000;

#[derive(Default)]
pub struct Pending {
    /// Of the updates; none while they are not read.
    pub generation: Option<Generation>,
    /// Everything up to here is in here, or was told.
    pub place: Place,
    /// Streams whose views have changed.
    pub views: HashSet<StreamName>,
    /// Of some of them, the trace of the latest change.
    pub traces: HashMap<StreamName, String>,
    pub checkpoint: Option<Position>,
    /// Why clients have to read afresh.
    pub reset: Option<&'static str>,
}

impl Pending {
    /// From now on the updates of this generation come, from this place on.
    pub fn begin(&mut self, generation: &Generation, place: Place) {
        let reason = match &self.generation {
            Some(before) if before == generation => Some("some changes were missed"),
            Some(_) => Some("other views are live"),
            None => None,
        };
        *self =
            Self { generation: Some(generation.clone()), place, reset: reason, ..Self::default() };
    }

    pub fn add(&mut self, updates: Vec<Update>, place: Place) {
        self.place = place;
        for update in updates {
            match update {
                Update::Applied(stream, _) => {
                    self.views.insert(stream);
                }
                Update::Checkpoint(position) => self.checkpoint = Some(position),
                Update::Parked(_) => {}
                Update::Traced(stream, trace) => drop(self.traces.insert(stream, trace)),
                Update::Missed => self.reset = Some("some changes were missed"),
            }
        }
        if self.views.len() > MAX_VIEWS {
            self.reset = Some("more changes than can be told");
        }
        if self.reset.is_some() {
            self.views.clear(); // They are read afresh anyway.
            self.traces.clear();
        }
    }

    /// Takes the traces of these streams.
    pub fn take_traces(&mut self, streams: &[StreamName]) -> Vec<(StreamName, String)> {
        if self.traces.is_empty() {
            return vec![];
        }
        streams.iter().filter_map(|stream| self.traces.remove_entry(stream)).collect()
    }

    /// Takes them back, where no later change of the stream has one.
    pub fn put_back_traces(&mut self, traces: Vec<(StreamName, String)>) {
        for (stream, trace) in traces {
            self.traces.entry(stream).or_insert(trace);
        }
    }

    /// Takes the views and the reset; the checkpoint stays until it is due.
    pub fn take(&mut self) -> (HashSet<StreamName>, Option<&'static str>) {
        (std::mem::take(&mut self.views), self.reset.take())
    }
}
