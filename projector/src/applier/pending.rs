//! The events of a batch that are not applied yet.

use std::collections::{BTreeMap, BTreeSet};

use kernel::log::{Position, Recorded, StreamName, Version};

/// Events by stream and version; each once, however often it arrived.
#[derive(Default)]
pub(super) struct Pending {
    streams: BTreeMap<StreamName, BTreeMap<Version, Recorded>>,
    /// Streams that are applied event by event, to find the one that can't be.
    singly: BTreeSet<StreamName>,
}

impl FromIterator<Recorded> for Pending {
    fn from_iter<I: IntoIterator<Item = Recorded>>(events: I) -> Self {
        let mut pending = Self::default();
        events.into_iter().for_each(|event| pending.add(event));
        pending
    }
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// The streams in the order of their first events in the log: part by part, the views come as far
    /// as the log is in the parts before.
    pub(super) fn streams(&self) -> Vec<StreamName> {
        let first = |events: &BTreeMap<Version, Recorded>| {
            events.first_key_value().map_or(0, |(_, event)| event.position)
        };
        let mut streams: Vec<(Position, &StreamName)> =
            self.streams.iter().map(|(stream, events)| (first(events), stream)).collect();
        streams.sort_unstable();
        streams.into_iter().map(|(_, stream)| stream.clone()).collect()
    }

    /// Whether the first of a stream's events is the first of all that it has.
    pub(super) fn begins(&self, stream: &StreamName) -> bool {
        let first = self.streams.get(stream).and_then(BTreeMap::first_key_value);
        first.is_some_and(|(version, _)| *version == 1)
    }

    pub(super) fn add(&mut self, event: Recorded) {
        self.streams.entry(event.stream.clone()).or_default().insert(event.version, event);
    }

    /// Forgets the events of a stream up to the version that its view has reached.
    pub(super) fn reached(&mut self, stream: &StreamName, version: Version) {
        if let Some(events) = self.streams.get_mut(stream) {
            *events = events.split_off(&(version + 1));
        }
    }

    /// Forgets all events of a stream.
    pub(super) fn forget(&mut self, stream: &StreamName) {
        self.streams.remove(stream);
    }

    /// Forgets streams without events.
    pub(super) fn forget_finished(&mut self) {
        self.streams.retain(|_, events| !events.is_empty());
    }

    /// From here on `following` gives one event of this stream at a time.
    pub(super) fn apply_singly(&mut self, stream: &StreamName) {
        self.singly.insert(stream.clone());
    }

    /// The highest version at hand; 0 for a stream without events.
    pub(super) fn highest(&self, stream: &StreamName) -> Version {
        let last = self.streams.get(stream).and_then(BTreeMap::last_key_value);
        last.map_or(0, |(version, _)| *version)
    }

    /// The events right behind `version`, up to the first gap.
    pub(super) fn following(&self, stream: &StreamName, version: Version) -> Vec<Recorded> {
        let events = self.streams.get(stream).into_iter().flatten();
        let without_gap = events.zip(version + 1..).take_while(|((there, _), next)| *there == next);
        let limit = if self.singly.contains(stream) { 1 } else { usize::MAX };
        without_gap.take(limit).map(|((_, event), _)| event.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use kernel::Timestamp;
    use kernel::log::{Event, Meta};
    use uuid::Uuid;

    use super::*;

    fn pending(stream: &StreamName, versions: &[Version]) -> Pending {
        let event = |&version: &Version| Recorded {
            position: version,
            index: 0,
            stream: stream.clone(),
            version,
            at: Timestamp::now(),
            meta: Meta::default(),
            event: Event {
                id: Uuid::nil(),
                kind: "Anything".to_owned(),
                schema: 1,
                data: serde_json::Value::Null.into(),
            },
        };
        versions.iter().map(event).collect()
    }

    fn following(pending: &Pending, stream: &StreamName, version: Version) -> Vec<Version> {
        pending.following(stream, version).iter().map(|event| event.version).collect()
    }

    #[test]
    fn events_follow_in_the_order_of_their_versions_up_to_the_first_gap() {
        let stream = StreamName::stored("order-1");
        let pending = pending(&stream, &[3, 2, 5, 3]);
        assert_eq!(following(&pending, &stream, 1), [2, 3]);
        assert_eq!(following(&pending, &stream, 0), [] as [Version; 0]);
        assert_eq!(pending.highest(&stream), 5);
    }

    #[test]
    fn what_a_view_has_reached_is_forgotten_and_a_finished_stream_with_it() {
        let stream = StreamName::stored("order-1");
        let mut pending = pending(&stream, &[2, 3]);
        pending.reached(&stream, 2);
        assert_eq!(following(&pending, &stream, 2), [3]);
        pending.reached(&stream, 3);
        pending.forget_finished();
        assert!(pending.is_empty());
    }

    #[test]
    fn a_stream_that_is_applied_singly_gives_one_event_at_a_time() {
        let stream = StreamName::stored("order-1");
        let mut pending = pending(&stream, &[2, 3]);
        pending.apply_singly(&stream);
        assert_eq!(following(&pending, &stream, 1), [2]);
    }
}
