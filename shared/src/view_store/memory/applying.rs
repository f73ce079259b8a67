//! How changes are applied.

use std::collections::BTreeSet;

use kernel::log::{StreamName, Version};
use kernel::projection::{Change, Sum, ranked};

use super::Views;
use super::view::View;
use crate::view_store::{Applied, Update};

impl Views {
    pub fn version(&self, stream: &StreamName) -> Version {
        self.views.get(stream).map_or(0, |view| view.version)
    }

    pub fn apply(&mut self, change: &Change) -> Applied {
        let stored = self.version(&change.stream);
        if stored != change.base {
            return Applied::refused(stored, change.to);
        }
        let Some(sums) = self.sums(&change.sums) else { return Applied::OutOfRange };
        for (sum, before, after) in sums {
            self.set(sum, before, after);
        }
        for (index, member) in &change.leave {
            self.list(index).remove(member);
        }
        for (index, member) in &change.enter {
            self.list(index).insert(member.clone());
        }
        for (key, text) in &change.greatest_texts {
            let record = self.records.entry(key.record.clone()).or_default();
            let kept = record.texts.entry(key.field.clone()).or_default();
            if text.as_bytes() > kept.as_bytes() {
                kept.clone_from(text);
            }
        }
        self.views.insert(change.stream.clone(), View::new(change.to, &change.document));
        self.applied = self.applied.max(change.position);
        if let Some(trace) = &change.traceparent {
            self.news.tell(Update::Traced(change.stream.clone(), trace.clone()));
        }
        self.news.tell(Update::Applied(change.stream.clone(), change.to));
        match self.parked.get_mut(&change.stream) {
            None => Applied::Applied,
            Some(note) => {
                (note.version, note.build) = (change.to + 1, String::new());
                Applied::StillParked
            }
        }
    }

    /// Notes that a version of a parked stream, beyond its view, was let go; false when it is not
    /// parked.
    pub fn let_go(&mut self, stream: &StreamName, version: Version) -> bool {
        let is_beyond = self.version(stream) < version;
        let Some(note) = self.parked.get_mut(stream) else { return false };
        if is_beyond {
            note.let_go = note.let_go.max(version);
        }
        true
    }

    /// Each with its value before and after, unless one leaves the range.
    fn sums<'a>(&self, sums: &'a [Sum]) -> Option<Vec<(&'a Sum, i64, i64)>> {
        let add = |sum: &'a Sum| {
            let record = self.records.get(&sum.key.record);
            let now = record.and_then(|record| record.sums.get(&sum.key.field)).copied();
            let before = now.unwrap_or(0);
            Some((sum, before, before.checked_add(sum.delta)?))
        };
        sums.iter().map(add).collect()
    }

    fn set(&mut self, sum: &Sum, before: i64, after: i64) {
        let record = self.records.entry(sum.key.record.clone()).or_default();
        record.sums.insert(sum.key.field.clone(), after);
        if let Some(rank) = &sum.rank {
            let list = self.list(&rank.index);
            list.remove(&ranked(before, &rank.member));
            if after != 0 || rank.zeros {
                list.insert(ranked(after, &rank.member));
            }
        }
    }

    fn list(&mut self, index: &str) -> &mut BTreeSet<String> {
        self.lists.entry(index.to_owned()).or_default()
    }
}
