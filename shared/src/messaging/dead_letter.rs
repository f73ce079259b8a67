//! Dead letters: what arrived as an event and is none.

use kernel::{Failure, Timestamp};

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

/// Why a look at the dead letters came to nothing.
#[derive(Debug)]
pub enum LookError {
    /// Other looks of this process took too long; this one was not begun.
    Busy,
    /// There are too many to be looked through in time; none was removed.
    TooLong,
    /// A server failed. What was to be removed may be.
    Failed(Failure),
}

impl From<Failure> for LookError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}
