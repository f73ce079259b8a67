//! News of the views, and where in the news a reader is.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use kernel::Result;
use kernel::log::{Position, StreamName, Version};

/// News of the views of one generation. *Loss*: a caller that is so slow that the store has dropped
/// some is told `Missed` in their place. A store that loses data may lose some without that; look
/// at the views again now and then. *Errors*: it is over; ask for a new one.
#[async_trait]
pub trait Updates: Send {
    /// Waits for at least one, up to a few seconds; empty after that.
    async fn next(&mut self) -> Result<Vec<Update>>;

    /// The place of the last one that `next` returned; before that, of the last one that it will not
    /// return.
    fn place(&self) -> Place;
}

/// What happened to the views of a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// The view of the stream has reached this version.
    Applied(StreamName, Version),
    /// The change of the stream's view, which is told as well, is part of this trace: a `traceparent`.
    Traced(StreamName, String),
    /// The stream can't be applied for now.
    Parked(StreamName),
    /// The checkpoint has moved.
    Checkpoint(Position),
    /// Some were missed.
    Missed,
}

/// What several updates come to: of each stream, and of the checkpoint, the latest alone.
pub(super) struct Latest {
    max_streams: usize,
    /// Streams whose views have changed.
    streams: usize,
    /// Updates so far.
    count: u64,
    /// Each with its number among all.
    updates: HashMap<Subject, (u64, Place, Update)>,
}

/// What an update is about: a later one about the same takes its place.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Subject {
    View(StreamName),
    Trace(StreamName),
    Note(StreamName),
    Checkpoint,
    Missed,
}

impl Latest {
    /// Of changes of the views of so many streams at most.
    pub(super) fn of(max_streams: usize) -> Self {
        Self { max_streams, streams: 0, count: 0, updates: HashMap::new() }
    }

    /// Adds the next update; false where it is the change of one stream too many.
    pub(super) fn add(&mut self, place: Place, update: Update) -> bool {
        let subject = match &update {
            Update::Applied(stream, _) => Subject::View(stream.clone()),
            Update::Traced(stream, _) => Subject::Trace(stream.clone()),
            Update::Parked(stream) => Subject::Note(stream.clone()),
            Update::Checkpoint(_) => Subject::Checkpoint,
            Update::Missed => Subject::Missed,
        };
        let is_view = matches!(subject, Subject::View(_));
        self.count += 1;
        let before = self.updates.insert(subject, (self.count, place, update));
        self.streams += usize::from(is_view && before.is_none());
        self.streams <= self.max_streams
    }

    /// All of them, in the order in which they came.
    pub(super) fn in_order(self) -> Vec<(Place, Update)> {
        let mut updates: Vec<_> = self.updates.into_values().collect();
        updates.sort_unstable_by_key(|(number, ..)| *number);
        updates.into_iter().map(|(_, place, update)| (place, update)).collect()
    }
}

/// A place in the updates of one generation: later updates have greater places. Two numbers, as the
/// entries of a stream in Redis have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(pub u64, pub u64);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

impl FromStr for Place {
    type Err = ();

    /// Reads the form that is written, and no other.
    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let (first, second) = text.split_once('-').ok_or(())?;
        let number = |text: &str| text.parse().map_err(|_| ());
        let place = Self(number(first)?, number(second)?);
        if place.to_string() == text { Ok(place) } else { Err(()) }
    }
}
