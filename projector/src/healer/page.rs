//! A part of the log as the healer reads it: which streams have come to which version.

use std::collections::BTreeMap;

use kernel::log::{Position, StreamName, Version};
use shared::event_store::Mark;

/// A gap-free part of the log.
#[derive(Debug, PartialEq)]
pub(super) struct Page {
    /// Its last position: where the next page begins.
    pub to: Position,
    /// The last version of each stream in it.
    ends: BTreeMap<StreamName, Version>,
}

impl Page {
    /// Takes what follows `after` without a gap; `marks` are ascending, all above `after`.
    pub fn take(after: Position, marks: Vec<Mark>) -> Self {
        let mut page = Self { to: after, ends: BTreeMap::new() };
        for mark in marks {
            if mark.position != page.to + 1 {
                break;
            }
            page.to = mark.position;
            page.ends.extend(mark.end);
        }
        page
    }

    /// Streams and versions.
    pub fn reached(&self) -> Vec<(&StreamName, Version)> {
        self.ends.iter().map(|(stream, version)| (stream, *version)).collect()
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
        let page = Page::take(3, marks);
        let (a, b) = (StreamName::stored("a"), StreamName::stored("b"));
        assert_eq!((page.to, page.reached()), (7, vec![(&a, 3), (&b, 7)]));
        assert_eq!(Page::take(3, vec![of(5, "a", 1)]).to, 3);
    }
}
