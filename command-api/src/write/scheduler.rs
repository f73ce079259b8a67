//! Starts the groups, one after another. Caches the states of streams between them.

use std::sync::Arc;

use kernel::aggregate::Aggregate;
use kernel::log::Position;
use shared::event_store::EventStore;
use shared::service::health::Health;
use shared::service::liveness::Work;
use tokio::sync::mpsc;
use tokio::task::JoinError;
use tokio::time::{Duration, Instant, MissedTickBehavior, interval};

use super::cache::Cache;
use super::commit_group::CommitGroup;
use super::flow_control::Flow;
use super::group_event::GroupEvent;
use super::pending_command::PendingCommand;
use super::queues::{Chain, Queues};
use super::stream_state::StreamState;

/// Groups under way at a time: the second one starts when the first takes long.
const MAX_GROUPS: usize = 2;
/// Commits in a group: more per insert gain little and cost latency.
const MAX_COMMITS: usize = 256;
/// Bytes of the commands in a group, by their JSON: the others do not wait long behind it. What they lead to
/// has a bound of its own, in the group.
const MAX_BYTES: usize = 4 << 20;
/// When the latest group is older than this, the next one starts beside it.
const SECOND_GROUP_AFTER: Duration = Duration::from_millis(20);
/// From the start of a group of several commands to the next one: what arrives meanwhile shares an
/// insert, which costs as much as the inserting of a dozen commits.
const PAUSE: Duration = Duration::from_millis(3);
/// Commands of a group from which on the next one waits for `PAUSE`.
const SEVERAL: usize = 8;
/// Between two looks for commands whose clients are gone or whose time is over.
const PURGE_INTERVAL: Duration = Duration::from_millis(100);

/// The part that the scheduler and its groups are in the health of the service.
pub const HEALTH_PART: &str = "commands";

/// Nothing is carried out any more: what a fault of the write side itself has left is not known.
pub fn report_fault(health: &Health, error: &JoinError) {
    tracing::error!(%error, "the write side ended by a fault");
    health.waits(HEALTH_PART, "they can't be carried out after a fault: restart the service");
}

/// Never ends without an instant.
async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

pub struct Scheduler<A: Aggregate> {
    store: Arc<dyn EventStore>,
    health: Health,
    inbox: mpsc::Receiver<PendingCommand<A>>,
    /// From the groups.
    events: mpsc::UnboundedReceiver<GroupEvent<A>>,
    /// For the groups.
    sender: mpsc::UnboundedSender<GroupEvent<A>>,
    queues: Queues<A>,
    cache: Cache<StreamState<A>>,
    unused_positions: Vec<Position>,
    groups: usize,
    /// Commands in the latest group.
    latest: usize,
    /// When the latest group started.
    started: Option<Instant>,
    flow: Flow,
    /// Whether more commands may come.
    open: bool,
    /// Gets on as long as groups start that can.
    work: Work,
}

impl<A: Aggregate> Scheduler<A> {
    pub fn new(
        store: Arc<dyn EventStore>,
        inbox: mpsc::Receiver<PendingCommand<A>>,
        health: Health,
        flow: Flow,
    ) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let work = health.work("scheduler");
        Self {
            store,
            work,
            health,
            inbox,
            events,
            sender,
            queues: Queues::default(),
            cache: Cache::default(),
            unused_positions: vec![],
            groups: 0,
            latest: 0,
            started: None,
            flow,
            open: true,
        }
    }

    /// Ends when all writers are gone and everything that was submitted is answered.
    pub async fn run(mut self) {
        let mut purge = interval(PURGE_INTERVAL);
        purge.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.open || self.groups > 0 || self.queues.ready() > 0 || self.has_positions() {
            let next_look = self.next_look();
            match self.groups == 0 && self.has_commands() {
                true => self.work.must_progress(), // A group is about to start.
                false => self.work.rest(),
            }
            tokio::select! {
                Some(event) = self.events.recv() => self.handle(event),
                command = self.inbox.recv(), if self.open => match command {
                    Some(command) => self.take(command),
                    None => self.open = false,
                },
                () = self.flow.changed(), if self.open => {}
                // It also finds that it is no longer waited for a look at the views.
                _ = purge.tick(), if !self.queues.is_empty() => self.queues.purge(),
                () = sleep_until(next_look) => {}
            }
            self.work.must_progress(); // From here to the next wait.
            while let Ok(command) = self.inbox.try_recv() {
                self.take(command);
            }
            self.handle_all();
            while self.is_time() {
                self.start();
            }
        }
    }

    /// Commands that may start.
    fn has_commands(&self) -> bool {
        self.queues.ready() > 0 && !self.is_held()
    }

    /// Positions that were drawn and not used: the log waits for them.
    fn has_positions(&self) -> bool {
        !self.unused_positions.is_empty()
    }

    /// By the flow control. What was taken is ended all the same when the service stops.
    fn is_held(&self) -> bool {
        self.open && self.flow.is_held()
    }

    /// From the start of the latest group to the next one, if there is anything for it. Commands start
    /// when no group is under way, or the latest one takes long; behind one of several commands `PAUSE`
    /// later. Positions alone wait, as commands may come that use them.
    fn wait(&self) -> Option<Duration> {
        match self.groups {
            MAX_GROUPS.. => None,
            0 if self.has_commands() && self.latest < SEVERAL => Some(Duration::ZERO),
            0 if self.has_commands() => Some(PAUSE),
            _ if self.has_commands() || self.has_positions() => Some(SECOND_GROUP_AFTER),
            _ => None,
        }
    }

    fn is_time(&self) -> bool {
        let over = |wait| self.started.is_none_or(|started| started.elapsed() >= wait);
        self.wait().is_some_and(over)
    }

    /// When it is time, if nothing comes before that.
    fn next_look(&self) -> Option<Instant> {
        Some(self.started? + self.wait()?)
    }

    fn handle_all(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            self.handle(event);
        }
    }

    fn take(&mut self, command: PendingCommand<A>) {
        // Events of a command come before its answer, and so before what its client sends next.
        self.handle_all();
        self.queues.take(command);
    }

    fn handle(&mut self, event: GroupEvent<A>) {
        match event {
            GroupEvent::Over { unused_positions, of_commands } => {
                self.groups -= 1;
                // At the end positions alone are tried once; what is not filled then is sealed.
                if self.open || of_commands {
                    self.unused_positions.extend(unused_positions);
                }
            }
            GroupEvent::Died => {
                self.groups -= 1;
                self.queues.fail();
            }
            GroupEvent::Left { stream, state, retry, key, appended_bytes } => {
                if let Some(state) = state {
                    self.flow.appended(state.position, appended_bytes);
                    self.cache.keep(stream.clone(), state);
                }
                self.queues.leaves(stream, retry, key);
            }
        }
    }

    fn start(&mut self) {
        let chains = match self.is_held() {
            true => vec![],
            false => self.queues.next(MAX_COMMITS, MAX_BYTES),
        };
        if chains.is_empty() && !self.has_positions() {
            return;
        }
        self.work.progress();
        self.groups += 1;
        self.started = Some(Instant::now());
        self.latest = chains.iter().map(Chain::len).sum();
        let with_state = |chain: Chain<A>| {
            let state = self.cache.take(&chain.first.request.stream);
            (chain, state)
        };
        let chains = chains.into_iter().map(with_state).collect();
        let unused_positions = std::mem::take(&mut self.unused_positions);
        let work = self.health.work("commands");
        let group = CommitGroup::new(self.store.clone(), self.sender.clone(), work);
        let group = tokio::spawn(group.run(chains, unused_positions));
        let (sender, health) = (self.sender.clone(), self.health.clone());
        tokio::spawn(async move {
            if let Err(error) = group.await {
                report_fault(&health, &error);
                drop(sender.send(GroupEvent::Died)); // The scheduler may be gone as well.
            }
        });
    }
}
