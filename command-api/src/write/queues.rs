//! What waits: a queue for each stream. A stream is in one group at most, with several of its commands
//! where many wait.

use std::collections::{HashMap, HashSet, VecDeque};

use kernel::aggregate::Aggregate;
use kernel::log::StreamName;

use super::pending_command::PendingCommand;
use super::ready_streams::{ReadyStreams, Turn};
use super::request::Rejected;

/// Commands of a stream in a group, beyond the first.
const MAX_BEHIND: usize = 31;
/// Streams that have several commands in a group: for each of them the log makes an insert of its own.
const MAX_CHAINS: usize = 8;
/// Of a group, in quarters, what the first commands of streams fill before those behind them are looked at:
/// however many streams there are, those with many commands get on.
const FIRSTS: usize = 3;
/// Of a group, in quarters, what streams fill at most that a group had no room for, unless there are no others:
/// however many of them are large, those that arrive get on.
const GIVEN_BACK: usize = 2;

/// Commands of one stream, to be decided one on what the other leads to.
pub struct Chain<A: Aggregate> {
    pub first: PendingCommand<A>,
    pub behind: Vec<PendingCommand<A>>,
}

impl<A: Aggregate> Chain<A> {
    pub fn len(&self) -> usize {
        1 + self.behind.len()
    }

    fn bytes(&self) -> usize {
        self.behind.iter().chain([&self.first]).map(|command| command.request.bytes).sum()
    }

    pub fn commands(self) -> impl Iterator<Item = PendingCommand<A>> {
        std::iter::once(self.first).chain(self.behind)
    }
}

pub struct Queues<A: Aggregate> {
    /// In the order of their submission.
    streams: HashMap<StreamName, VecDeque<PendingCommand<A>>>,
    /// Streams that have commands and are in no group.
    ready: ReadyStreams,
    /// Streams that are in a group, and how many of their commands are.
    busy: HashMap<StreamName, usize>,
    /// How many commands have come.
    taken: u64,
    /// Idempotency keys of all commands, those in groups too.
    keys: HashSet<String>,
    /// A group died: everything is turned away from then on.
    failed: bool,
}

impl<A: Aggregate> Default for Queues<A> {
    fn default() -> Self {
        Self {
            streams: HashMap::new(),
            ready: ReadyStreams::default(),
            busy: HashMap::new(),
            taken: 0,
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

    pub fn take(&mut self, mut command: PendingCommand<A>) {
        if let Some(key) = &command.request.key
            && !self.keys.insert(key.clone())
        {
            return command.answer(Err(Rejected::KeyInFlight));
        }
        if let Some(rejected) = self.turned_away(&command) {
            return turn_away(&mut self.keys, command, rejected);
        }
        self.taken += 1;
        command.number = self.taken;
        let stream = command.request.stream.clone();
        let queue = self.streams.entry(stream.clone()).or_default();
        queue.push_back(command);
        if queue.len() == 1 && !self.busy.contains_key(&stream) {
            self.ready.add(stream);
        }
    }

    /// A command of a stream is in no group any more: it was answered, or takes the place among those
    /// that wait which it had. With the last one of them the stream may be in a group again, and if nothing was
    /// tried of it, before all that have arrived meanwhile.
    pub fn leaves(
        &mut self,
        stream: StreamName,
        retry: Option<PendingCommand<A>>,
        key: Option<String>,
    ) {
        if let Some(key) = key {
            self.keys.remove(&key);
        }
        let is_untried = retry.as_ref().is_some_and(|command| command.untried);
        if let Some(command) = retry {
            match self.turned_away(&command) {
                None => {
                    let queue = self.streams.entry(stream.clone()).or_default();
                    let before = queue.partition_point(|other| other.number < command.number);
                    queue.insert(before, command);
                }
                Some(rejected) => turn_away(&mut self.keys, command, rejected),
            }
        }
        let Some(commands) = self.busy.get_mut(&stream) else { return };
        *commands -= 1;
        if *commands > 0 {
            return;
        }
        self.busy.remove(&stream);
        let first = self.streams.get(&stream).and_then(VecDeque::front);
        match first.map(|first| first.number) {
            Some(number) if is_untried => self.ready.give_back(number, stream),
            Some(_) => self.ready.add(stream),
            None => {
                self.streams.remove(&stream);
            }
        }
    }

    /// How many commands of a stream are in no group.
    fn waiting(&self, stream: &StreamName) -> usize {
        self.streams.get(stream).map_or(0, VecDeque::len)
    }

    /// The commands of the next group, up to so many and so many bytes: the first of each stream, and where
    /// several wait, those behind it.
    pub fn next(&mut self, most: usize, most_bytes: usize) -> Vec<Chain<A>> {
        let mut chains = vec![];
        let quarters = |count: usize| (most * count / 4, most_bytes * count / 4);
        self.add_first(&mut chains, ReadyStreams::next_given_back, quarters(GIVEN_BACK));
        self.add_first(&mut chains, ReadyStreams::next_arrived, quarters(FIRSTS));
        self.add_behind(&mut chains, most, most_bytes);
        self.add_first(&mut chains, ReadyStreams::next_arrived, (most, most_bytes));
        self.add_first(&mut chains, ReadyStreams::next_given_back, (most, most_bytes));
        for chain in &chains {
            self.busy.insert(chain.first.request.stream.clone(), chain.len());
        }
        chains
    }

    /// Adds the first commands of the streams that come `next`, until the group has so many commands or bytes.
    /// One command may be larger.
    fn add_first(
        &mut self,
        chains: &mut Vec<Chain<A>>,
        next: fn(&mut ReadyStreams) -> Option<Turn>,
        (most, most_bytes): (usize, usize),
    ) {
        let (mut commands, mut bytes) = size(chains);
        while commands < most
            && let Some(turn) = next(&mut self.ready)
        {
            let left = most_bytes.saturating_sub(bytes);
            let fits = |it: &PendingCommand<A>| chains.is_empty() || it.request.bytes <= left;
            if let Some(first) = self.next_of(turn.stream(), fits) {
                commands += 1;
                bytes += first.request.bytes;
                chains.push(Chain { first, behind: vec![] });
            } else if self.waiting(turn.stream()) > 0 {
                self.ready.put_back(turn);
                break;
            } else {
                self.streams.remove(turn.stream());
            }
        }
    }

    /// Adds what waits behind the first commands, for those streams first where it has waited longest.
    fn add_behind(&mut self, chains: &mut [Chain<A>], most: usize, most_bytes: usize) {
        let (mut commands, mut bytes) = size(chains);
        let mut places = MAX_CHAINS;
        for at in self.by_age(chains) {
            let Some(Chain { first, behind }) = chains.get_mut(at) else { continue };
            while behind.len() < MAX_BEHIND && commands < most {
                let left = most_bytes.saturating_sub(bytes);
                let fits = |it: &PendingCommand<A>| !it.depends() && it.request.bytes <= left;
                let Some(command) = self.next_of(&first.request.stream, fits) else { break };
                commands += 1;
                bytes += command.request.bytes;
                behind.push(command);
            }
            places -= usize::from(!behind.is_empty());
            if places == 0 {
                break;
            }
        }
    }

    /// Those behind which a command waits that may go with them, by the order of its submission. One that
    /// depends on the outcome of another has to wait for it.
    fn by_age(&self, chains: &[Chain<A>]) -> Vec<usize> {
        let number = |chain: &Chain<A>| {
            let next = self.streams.get(&chain.first.request.stream)?.front()?;
            (!next.depends()).then_some(next.number)
        };
        let numbers =
            chains.iter().enumerate().filter_map(|(at, chain)| Some((number(chain)?, at)));
        let mut numbers: Vec<(u64, usize)> = numbers.collect();
        numbers.sort_unstable();
        numbers.into_iter().map(|(_, at)| at).collect()
    }

    /// The next command of a stream that is still to be started, if it fits.
    fn next_of(
        &mut self,
        stream: &StreamName,
        fits: impl Fn(&PendingCommand<A>) -> bool,
    ) -> Option<PendingCommand<A>> {
        while let Some(command) = self.streams.get_mut(stream)?.pop_front_if(|it| fits(it)) {
            match self.turned_away(&command) {
                None => return Some(command),
                Some(rejected) => turn_away(&mut self.keys, command, rejected),
            }
        }
        None
    }

    /// Turns away what waits, and all that will come.
    pub fn fail(&mut self) {
        self.failed = true;
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

/// How many commands are in chains, and their bytes.
fn size<A: Aggregate>(chains: &[Chain<A>]) -> (usize, usize) {
    (chains.iter().map(Chain::len).sum(), chains.iter().map(Chain::bytes).sum())
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
