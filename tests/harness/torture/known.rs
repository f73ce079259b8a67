//! What is known of each command: what its client was told, or that it was put into the log.

use std::collections::BTreeMap;

use kernel::log::{Commit, StreamName};
use serde_json::Value;
use waybill::verify::Parked;

/// What a client was told of one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    Acknowledged {
        order: String,
        version: i64,
    },
    /// Neither done nor to be tried again.
    Refused {
        command: Value,
        /// The order's version when the client asked, as far as it had been told.
        after: i64,
        /// The rule that refused, or the type of the problem where no rule did.
        why: String,
    },
    /// Nothing was done, says every answer. The client gave up.
    NotDone,
    /// No answer that settles it.
    Unknown,
}

/// By the command's correlation id.
#[derive(Debug, Default)]
pub struct Known {
    pub told: BTreeMap<String, Told>,
    /// What clients saw that may not be.
    pub violations: Vec<String>,
    pub disconnects: usize,
    /// Reads with a token that were answered.
    pub reads: usize,
    /// Commands of `told` that no client sent: their commits were put into the log.
    pub planted: usize,
    /// Orders with an event that can't be applied, and its version.
    pub parked: Parked,
}

impl Known {
    /// Whether the event is one that no view can have.
    pub fn is_parked(&self, stream: &str, version: i64) -> bool {
        let first = self.parked.get(&StreamName::stored(stream));
        first.is_some_and(|first| version >= *first)
    }

    /// Notes a commit that was put into the log.
    pub fn plant(&mut self, commit: &Commit) {
        let order = commit.stream.id().to_owned();
        let told = Told::Acknowledged { order, version: commit.to };
        self.told.insert(commit.meta.correlation.clone(), told);
        self.planted += 1;
    }

    fn count(&self, which: impl Fn(&Told) -> bool) -> usize {
        self.told.values().filter(|told| which(told)).count()
    }

    pub fn acknowledged(&self) -> usize {
        self.count(|told| matches!(told, Told::Acknowledged { .. })) - self.planted
    }

    pub fn refused(&self) -> usize {
        self.count(|told| matches!(told, Told::Refused { .. }))
    }

    pub fn not_done(&self) -> usize {
        self.count(|told| *told == Told::NotDone)
    }

    pub fn unknown(&self) -> usize {
        self.count(|told| *told == Told::Unknown)
    }
}
