//! Reads of views. Several are asked for at once, and each hands out a handle that takes its answer
//! in the type that belongs to it.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::ops::Bound;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::log::{StreamName, Version};
use crate::projection::Stored;
use crate::{Failure, Result, Timestamp};

/// Bytes of documents that one read of views returns at most, unless a single one has more.
pub const VIEWS_BYTES: usize = 2 << 20;

/// A record of sums and texts, by field.
pub type Record = BTreeMap<String, String>;

/// One read, as an adapter sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// The views of the first of these streams: of as many as have `VIEWS_BYTES` together, and of one
    /// at least.
    Views(Vec<StreamName>),
    /// The versions of the streams' views; 0 where there is none.
    Versions(Vec<StreamName>),
    /// Why the streams are parked.
    Parked(Vec<StreamName>),
    /// Records, by name; one that does not exist is empty.
    Records(Vec<String>),
    /// How many fields records have, by name; one that does not exist has none.
    FieldCounts(Vec<String>),
    /// A part of a sorted list.
    List(List),
    /// How many entries a list has.
    Count(String),
}

/// A part of a sorted list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// The name of the list.
    pub index: String,
    /// The lower end.
    pub from: Bound<String>,
    /// The upper end.
    pub to: Bound<String>,
    /// Whether it is read from its upper end.
    pub descending: bool,
    /// Entries at most.
    pub limit: usize,
}

/// What one read found: of the variant that is called as the read is, and for each thing that was
/// named one answer, in the same order; of views maybe for the first alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The stored views, where there are any. It ends where the next one would be too much.
    Views(Vec<Option<Stored>>),
    /// The versions of the views; 0 where there is none.
    Versions(Vec<Version>),
    /// Why the streams are parked, where they are.
    Parked(Vec<Option<Parked>>),
    /// The records.
    Records(Vec<Record>),
    /// How many fields the records have.
    FieldCounts(Vec<usize>),
    /// The entries, in the order that was asked for.
    List(Vec<String>),
    /// How many entries there are.
    Count(u64),
}

/// Why a stream is not applied, and by whom that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Parked {
    /// The stream.
    pub stream: StreamName,
    /// The first version that could not be applied.
    pub version: Version,
    /// For people.
    pub reason: String,
    /// Version of the projection.
    pub projection: u32,
    /// The build that found it; empty once a part of the stream was applied after all.
    pub build: String,
    /// When it was found.
    pub at: Timestamp,
    /// Events up to this version were let go: they are brought in from the log.
    #[serde(default)]
    pub let_go: Version,
}

/// Reads that are answered together, in one round trip unless some views are large.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    reads: Vec<Read>,
}

/// Takes the answer to one read out of the answers to its batch.
#[derive(Debug)]
pub struct Handle<T> {
    index: usize,
    answer: PhantomData<fn() -> T>,
}

impl Batch {
    /// A batch of nothing: it only tells whether the generation is live.
    pub fn new() -> Self {
        Self::default()
    }

    /// The reads, in the order in which they are to be answered.
    pub fn reads(&self) -> &[Read] {
        &self.reads
    }

    /// Reads the views of these streams. The answer may be of the first of them alone, as many as have
    /// `VIEWS_BYTES` together, and at least of one; the rest is then read behind these.
    pub fn views(&mut self, streams: Vec<StreamName>) -> Handle<Vec<Option<Stored>>> {
        self.add(Read::Views(streams))
    }

    /// Reads the versions of these streams' views; 0 where there is none.
    pub fn versions(&mut self, streams: Vec<StreamName>) -> Handle<Vec<Version>> {
        self.add(Read::Versions(streams))
    }

    /// Reads why these streams are parked, where they are.
    pub fn parked(&mut self, streams: Vec<StreamName>) -> Handle<Vec<Option<Parked>>> {
        self.add(Read::Parked(streams))
    }

    /// Reads records, by name; one that does not exist is empty.
    pub fn records(&mut self, names: Vec<String>) -> Handle<Vec<Record>> {
        self.add(Read::Records(names))
    }

    /// Counts the fields of records, by name; one that does not exist has none.
    pub fn field_counts(&mut self, names: Vec<String>) -> Handle<Vec<usize>> {
        self.add(Read::FieldCounts(names))
    }

    /// Reads a part of a list.
    pub fn list(&mut self, list: List) -> Handle<Vec<String>> {
        self.add(Read::List(list))
    }

    /// Counts the entries of a list.
    pub fn count(&mut self, index: impl Into<String>) -> Handle<u64> {
        self.add(Read::Count(index.into()))
    }

    fn add<T>(&mut self, read: Read) -> Handle<T> {
        self.reads.push(read);
        Handle { index: self.reads.len() - 1, answer: PhantomData }
    }
}

/// The answers to a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers(Vec<Option<Answer>>);

impl Answers {
    /// For adapters: one answer to each read of the batch, in their order.
    pub fn new(answers: Vec<Answer>) -> Self {
        Self(answers.into_iter().map(Some).collect())
    }

    /// The answer that belongs to the handle. Fails when the adapter gave none, or one of another
    /// type.
    pub fn take<T: FromAnswer>(&mut self, handle: Handle<T>) -> Result<T> {
        let answer = self.0.get_mut(handle.index).and_then(Option::take);
        answer.and_then(T::from_answer).ok_or_else(|| {
            let why = format!("read {} of the batch was answered by something else", handle.index);
            Failure::permanent("reading views", why)
        })
    }
}

/// What a handle can take.
pub trait FromAnswer: Sized {
    /// `None` when the answer is of another read.
    fn from_answer(answer: Answer) -> Option<Self>;
}

macro_rules! answers {
    ($($variant:ident: $of:ty;)*) => { $(
        impl FromAnswer for $of {
            fn from_answer(answer: Answer) -> Option<Self> {
                match answer {
                    Answer::$variant(answer) => Some(answer),
                    _ => None,
                }
            }
        }
    )* };
}

answers! {
    Views: Vec<Option<Stored>>;
    Versions: Vec<Version>;
    Parked: Vec<Option<Parked>>;
    Records: Vec<Record>;
    FieldCounts: Vec<usize>;
    List: Vec<String>;
    Count: u64;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_handle_takes_the_answer_to_its_own_read() {
        let mut batch = Batch::new();
        let (count, records) = (batch.count("customers"), batch.records(vec![]));
        let mut answers = Answers::new(vec![Answer::Count(3), Answer::Records(vec![])]);
        assert_eq!(answers.take(records).ok(), Some(vec![]));
        assert_eq!(answers.take(count).ok(), Some(3));
    }

    #[test]
    fn an_answer_that_does_not_fit_is_an_error() {
        let mut batch = Batch::new();
        let (count, records) = (batch.count("customers"), batch.records(vec![]));
        let mut answers = Answers::new(vec![Answer::List(vec![])]);
        assert!(answers.take(count).is_err(), "it is of another read");
        assert!(answers.take(records).is_err(), "there is none");
    }
}
