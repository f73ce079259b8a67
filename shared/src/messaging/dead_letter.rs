//! Dead letters: what arrived as an event and is none.

use kernel::Timestamp;

/// Bytes that arrived as an event and are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Names it in the routes of the projector.
    pub id: String,
    /// Why they are no event.
    pub reason: String,
    /// Where they arrived.
    pub queue: String,
    /// When they were found to be none, to the second.
    pub at: Timestamp,
    /// The bytes as they arrived.
    pub body: Vec<u8>,
}

/// A look at the dead letters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetterPage {
    /// Those that are shown, by id: the oldest first.
    pub items: Vec<DeadLetter>,
    /// How many there are, shown or not.
    pub total: u32,
}
