//! A part of the log as the healer reads it: which streams have come to which version.

use std::collections::{BTreeMap, BTreeSet};

use kernel::log::{Position, StreamName, Version};
use shared::event_store::Mark;

/// A gap-free part of the log.
#[derive(Debug, PartialEq)]
pub(super) struct Page {
    /// Its last position: where the next page begins.
    pub to: Position,
    marks: Vec<Mark>,
}

impl Page {
    /// Takes what follows `after` without a gap; `marks` are ascending, all above `after`.
    pub fn take(after: Position, mut marks: Vec<Mark>) -> Self {
        let follow =
            marks.iter().zip(after + 1..).take_while(|(mark, next)| mark.position == *next);
        let count = follow.count();
        marks.truncate(count);
        Self { to: marks.last().map_or(after, |mark| mark.position), marks }
    }

    /// Leaves out what is behind this position.
    pub fn cut(&mut self, to: Position) {
        self.marks.retain(|mark| mark.position <= to);
        self.to = self.to.min(to);
    }

    /// Leaves out the first mark of these streams and all behind it, where something comes before that: these
    /// workers are not done with yet, while others may be with what follows.
    pub fn cut_before(&mut self, streams: &BTreeSet<StreamName>) {
        let is_of =
            |mark: &Mark| mark.end.as_ref().is_some_and(|(stream, _)| streams.contains(stream));
        if let Some(before) = self.marks.iter().position(is_of).and_then(|at| at.checked_sub(1)) {
            self.cut(self.marks[before].position);
        }
    }

    /// The last version of each stream in it.
    pub fn reached(&self) -> Vec<(&StreamName, Version)> {
        let ends = self.marks.iter().filter_map(|mark| mark.end.as_ref());
        let last: BTreeMap<_, _> = ends.map(|(stream, version)| (stream, *version)).collect();
        last.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_at_a_hole_and_has_the_last_version_of_each_stream() {
        let of = |position, name: &str, version| Mark {
            position,
            end: Some((StreamName::stored(name), version)),
        };
        let tombstone = Mark { position: 6, end: None };
        let marks = vec![of(4, "a", 1), of(5, "b", 7), tombstone, of(7, "a", 3), of(9, "a", 4)];
        let mut page = Page::take(3, marks);
        let (a, b) = (StreamName::stored("a"), StreamName::stored("b"));
        assert_eq!((page.to, page.reached()), (7, vec![(&a, 3), (&b, 7)]));
        let mut before = Page::take(3, page.marks.clone());
        before.cut_before(&BTreeSet::from([b.clone()]));
        assert_eq!((before.to, before.reached()), (4, vec![(&a, 1)]));
        before.cut_before(&BTreeSet::from([a.clone()]));
        assert_eq!(before.to, 4, "nothing comes before it");
        page.cut(6);
        assert_eq!((page.to, page.reached()), (6, vec![(&a, 1), (&b, 7)]));
        page.cut(9);
        assert_eq!(page.to, 6, "what was cut is gone");
        assert_eq!(Page::take(3, vec![of(5, "a", 1)]).to, 3);
    }
}
