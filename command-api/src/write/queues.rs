//! What waits: a queue for each stream. A stream is in one group at most, with several of its commands where
//! many wait.

use std::collections::{HashMap, HashSet, VecDeque};

use kernel::aggregate::Aggregate;
use kernel::log::StreamName;

use super::pending_command::PendingCommand;
use super::request::Rejected;

/// Commands of a stream in a group, beyond the first.
const MAX_BEHIND: usize = 31;

/// Commands of one stream, to be decided one on what the other leads to.
pub struct Chain<A: Aggregate> {
    pub first: PendingCommand<A>,
    pub behind: Vec<PendingCommand<A>>,
}

/// A stream that is in a group.
struct Busy<A: Aggregate> {
    /// How many of its commands are.
    commands: usize,
    /// Those of them that start afresh, once none is in the group any more.
    retries: Vec<PendingCommand<A>>,
}

pub struct Queues<A: Aggregate> {
    streams: HashMap<StreamName, VecDeque<PendingCommand<A>>>,
    /// Streams that have commands and are in no group.
    ready: VecDeque<StreamName>,
    /// Streams that are in a group.
    busy: HashMap<StreamName, Busy<A>>,
    /// Idempotency keys of all commands, those in groups too.
    keys: HashSet<String>,
    /// A group died: everything is turned away from then on.
    failed: bool,
}

impl<A: Aggregate> Default for Queues<A> {
    fn default() -> Self {
        Self {
            streams: HashMap::new(),
            ready: VecDeque::new(),
            busy: HashMap::new(),
            keys: HashSet::new(),
            failed: false,
        }
    }
}

impl<A: Aggregate> Queues<A> {
    /// How many streams could be in the next group.
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    pub fn take(&mut self, command: PendingCommand<A>) {
        if let Some(key) = &command.request.key
            && !self.keys.insert(key.clone())
        {
            return command.answer(Err(Rejected::KeyInFlight));
        }
        if let Some(rejected) = self.turned_away(&command) {
            return turn_away(&mut self.keys, command, rejected);
        }
        let stream = command.request.stream.clone();
        let queue = self.streams.entry(stream.clone()).or_default();
        queue.push_back(command);
        if queue.len() == 1 && !self.busy.contains_key(&stream) {
            self.ready.push_back(stream);
        }
    }

    /// A command of a stream is in no group any more. With the last one of them the stream is free; those
    /// that must start afresh go first.
    pub fn free(
        &mut self,
        stream: StreamName,
        retry: Option<PendingCommand<A>>,
        key: Option<String>,
    ) {
        if let Some(key) = key {
            self.keys.remove(&key);
        }
        let Some(busy) = self.busy.get_mut(&stream) else { return };
        busy.commands -= 1;
        busy.retries.extend(retry);
        if busy.commands > 0 {
            return;
        }
        let retries = self.busy.remove(&stream).map(|busy| busy.retries).unwrap_or_default();
        for command in retries.into_iter().rev() {
            match self.turned_away(&command) {
                None => self.streams.entry(stream.clone()).or_default().push_front(command),
                Some(rejected) => turn_away(&mut self.keys, command, rejected),
            }
        }
        if self.streams.get(&stream).is_some_and(|queue| !queue.is_empty()) {
            self.ready.push_back(stream);
        } else {
            self.streams.remove(&stream);
        }
    }

    /// The commands of the next group, up to so many and so many bytes: the first of each stream, and where
    /// there is room then, those behind them.
    pub fn next(&mut self, most: usize, most_bytes: usize) -> Vec<Chain<A>> {
        let mut chains: Vec<Chain<A>> = Vec::with_capacity(self.ready.len().min(most));
        let (mut commands, mut bytes) = (0, 0);
        while commands < most
            && let Some(stream) = self.ready.pop_front()
        {
            let Some(first) = self.next_of(&stream) else { continue };
            if bytes + first.request.bytes > most_bytes && !chains.is_empty() {
                self.streams.entry(stream.clone()).or_default().push_front(first);
                self.ready.push_front(stream);
                break;
            }
            commands += 1;
            bytes += first.request.bytes;
            chains.push(Chain { first, behind: vec![] });
        }
        for chain in &mut chains {
            let stream = chain.first.request.stream.clone();
            while chain.behind.len() < MAX_BEHIND
                && commands < most
                && let Some(command) = self.next_behind(&stream, most_bytes.saturating_sub(bytes))
            {
                commands += 1;
                bytes += command.request.bytes;
                chain.behind.push(command);
            }
            let busy = Busy { commands: 1 + chain.behind.len(), retries: vec![] };
            self.busy.insert(stream, busy);
        }
        chains
    }

    /// The next command of a stream that may go with those before it. One that depends on their outcome
    /// waits for it.
    fn next_behind(&mut self, stream: &StreamName, most_bytes: usize) -> Option<PendingCommand<A>> {
        let fits = |command: &PendingCommand<A>| {
            !command.is_behind() && command.request.bytes <= most_bytes
        };
        while let Some(command) = self.streams.get_mut(stream)?.pop_front_if(|it| fits(it)) {
            match self.turned_away(&command) {
                None => return Some(command),
                Some(rejected) => turn_away(&mut self.keys, command, rejected),
            }
        }
        None
    }

    /// The next command of a stream that is still to be started.
    fn next_of(&mut self, stream: &StreamName) -> Option<PendingCommand<A>> {
        while let Some(command) = self.streams.get_mut(stream).and_then(VecDeque::pop_front) {
            match self.turned_away(&command) {
                None => return Some(command),
                Some(rejected) => turn_away(&mut self.keys, command, rejected),
            }
        }
        self.streams.remove(stream);
        None
    }

    /// Turns away what waits, and all that will come.
    pub fn fail(&mut self) {
        self.failed = true;
        let retries = self.busy.values_mut().flat_map(|busy| std::mem::take(&mut busy.retries));
        for command in retries.collect::<Vec<_>>() {
            if let Some(rejected) = self.turned_away(&command) {
                turn_away(&mut self.keys, command, rejected); // The group that had it may never end.
            }
        }
        self.purge();
    }

    /// Answers what waits in vain, so that it takes no room: also while the log hangs.
    pub fn purge(&mut self) {
        for (stream, queue) in std::mem::take(&mut self.streams) {
            let mut left = VecDeque::with_capacity(queue.len());
            for command in queue {
                match self.turned_away(&command) {
                    None => left.push_back(command),
                    Some(rejected) => turn_away(&mut self.keys, command, rejected),
                }
            }
            if !left.is_empty() {
                self.streams.insert(stream, left);
            }
        }
        self.ready.retain(|stream| self.streams.contains_key(stream));
    }

    /// Why a command is not to be started. Nothing was written of it.
    fn turned_away(&self, command: &PendingCommand<A>) -> Option<Rejected> {
        let failed = || Rejected::Unavailable("the service has to be restarted".to_owned());
        if self.failed { Some(failed()) } else { command.given_up() }
    }
}

/// Answers a command that was not started.
fn turn_away<A: Aggregate>(
    keys: &mut HashSet<String>,
    command: PendingCommand<A>,
    rejected: Rejected,
) {
    if let Some(key) = &command.request.key {
        keys.remove(key);
    }
    command.answer(Err(rejected));
}
