//! The streams that could be in the next group.

use std::collections::{BTreeMap, VecDeque};

use kernel::log::StreamName;

/// A stream whose turn it is.
pub enum Turn {
    Arrived(StreamName),
    /// By the number of its first command.
    GivenBack(u64, StreamName),
}

impl Turn {
    pub fn stream(&self) -> &StreamName {
        let (Self::Arrived(stream) | Self::GivenBack(_, stream)) = self;
        stream
    }
}

/// Those that have commands and are in no group.
#[derive(Default)]
pub struct ReadyStreams {
    arrived: VecDeque<StreamName>,
    /// Those that their group had no room for, by the numbers of their first commands.
    given_back: BTreeMap<u64, StreamName>,
}

impl ReadyStreams {
    pub fn len(&self) -> usize {
        self.arrived.len() + self.given_back.len()
    }

    pub fn add(&mut self, stream: StreamName) {
        self.arrived.push_back(stream);
    }

    /// A stream of which nothing was tried, with the number of its first command.
    pub fn give_back(&mut self, number: u64, stream: StreamName) {
        self.given_back.insert(number, stream);
    }

    pub fn next_arrived(&mut self) -> Option<Turn> {
        self.arrived.pop_front().map(Turn::Arrived)
    }

    pub fn next_given_back(&mut self) -> Option<Turn> {
        self.given_back.pop_first().map(|(number, stream)| Turn::GivenBack(number, stream))
    }

    /// It is the stream's turn again the next time.
    pub fn put_back(&mut self, turn: Turn) {
        match turn {
            Turn::Arrived(stream) => self.arrived.push_front(stream),
            Turn::GivenBack(number, stream) => self.give_back(number, stream),
        }
    }

    pub fn retain(&mut self, stays: impl Fn(&StreamName) -> bool) {
        self.arrived.retain(|stream| stays(stream));
        self.given_back.retain(|_, stream| stays(stream));
    }
}
