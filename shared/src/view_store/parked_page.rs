//! Some of the notes of parked streams.

use kernel::log::StreamName;
use kernel::views::Parked;

/// Notes of a page at most, whatever is asked for.
pub const MAX_NOTES: usize = 1_000;

/// Notes of parked streams, and what there is beside them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ParkedPage {
    /// By the bytes of the streams' names.
    pub notes: Vec<Parked>,
    /// Whether others follow behind the last one.
    pub more: bool,
    /// How many streams are parked, on this page or not.
    pub total: u64,
}

impl ParkedPage {
    /// The stream behind which the next page begins; `None` where this page is the last.
    pub fn next(&self) -> Option<&StreamName> {
        self.notes.last().filter(|_| self.more).map(|note| &note.stream)
    }
}
