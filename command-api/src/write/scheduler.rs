//! Starts the groups: two may run at a time. Caches the states of streams between them.

use std::sync::Arc;

use kernel::aggregate::Aggregate;
use kernel::log::Position;
use shared::event_store::EventStore;
use shared::service::health::Health;
use tokio::sync::mpsc;
use tokio::task::JoinError;
use tokio::time::{Duration, Instant, MissedTickBehavior, interval};

use super::cache::Cache;
use super::commit_group::CommitGroup;
use super::flow_control::Flow;
use super::group_event::GroupEvent;
use super::pending_command::PendingCommand;
use super::queues::Queues;
use super::stream_state::StreamState;

/// Groups under way at a time: with two, one is decided while the other is inserted.
const MAX_GROUPS: usize = 2;
/// Commits in a group: more per insert gain little and cost latency.
const MAX_COMMITS: usize = 256;
/// Bytes of the commands in a group, by their JSON: an insert stays far below what a message to
/// MongoDB may have (48 MB), and the others do not wait long behind it.
const MAX_BYTES: usize = 4 << 20;
/// When the latest group is older than this, the next one starts, however small it is.
const SECOND_GROUP_AFTER: Duration = Duration::from_millis(20);
/// Between two looks for commands whose clients are gone or whose time is over.
const PURGE_INTERVAL: Duration = Duration::from_millis(100);

/// The part that the scheduler and its groups are in the health of the service.
pub const HEALTH_PART: &str = "commands";

/// Nothing is carried out any more: what a fault of the write side itself has left is not known.
pub fn report_fault(health: &Health, error: &JoinError) {
    tracing::error!(%error, "the write side ended by a fault");
    health.waits(HEALTH_PART, "they can't be carried out after a fault: restart the service");
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
    /// Commands in groups.
    under_way: usize,
    /// How many commands there were lately, in groups and waiting; forgotten by an eighth per group.
    crowd: usize,
    /// When the latest group started.
    started: Option<Instant>,
    flow: Flow,
    /// Whether more commands may come.
    open: bool,
}

impl<A: Aggregate> Scheduler<A> {
    pub fn new(
        store: Arc<dyn EventStore>,
        inbox: mpsc::Receiver<PendingCommand<A>>,
        health: Health,
        flow: Flow,
    ) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        Self {
            store,
            health,
            inbox,
            events,
            sender,
            queues: Queues::default(),
            cache: Cache::default(),
            unused_positions: vec![],
            groups: 0,
            under_way: 0,
            crowd: 0,
            started: None,
            flow,
            open: true,
        }
    }

    /// Ends when all writers are gone and everything that was submitted is answered.
    pub async fn run(mut self) {
        let mut purge = interval(PURGE_INTERVAL);
        purge.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.open || self.groups > 0 || self.queues.ready() > 0 {
            tokio::select! {
                Some(event) = self.events.recv() => self.handle(event),
                command = self.inbox.recv(), if self.open => match command {
                    Some(command) => self.take(command),
                    None => self.open = false,
                },
                () = self.flow.changed(), if self.open => {}
                _ = purge.tick(), if !self.queues.is_empty() => self.queues.purge(),
                () = tokio::time::sleep(SECOND_GROUP_AFTER), if self.groups < MAX_GROUPS && self.queues.ready() > 0 => {}
            }
            while let Ok(command) = self.inbox.try_recv() {
                self.take(command);
            }
            self.handle_all();
            while self.is_time() {
                self.start();
            }
        }
    }

    /// A group starts at once when none is under way. A second one starts when half as
    /// many commands are ready as there were lately: a tiny group would cost as much as a full one.
    fn is_time(&self) -> bool {
        if self.open && self.flow.is_held() {
            return false; // What was taken is ended all the same when the service stops.
        }
        let ready = self.queues.ready();
        let any = ready > 0 || !self.unused_positions.is_empty();
        let stuck = self.started.is_some_and(|started| started.elapsed() > SECOND_GROUP_AFTER);
        any && (self.groups == 0
            || self.groups < MAX_GROUPS && stuck
            || self.groups < MAX_GROUPS && ready >= (self.crowd / 2).min(MAX_COMMITS))
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
            GroupEvent::Over { unused_positions } => {
                self.groups -= 1;
                self.unused_positions.extend(unused_positions);
            }
            GroupEvent::Died => {
                self.groups -= 1;
                self.queues.fail();
            }
            GroupEvent::StreamFree { stream, state, retry, key } => {
                self.under_way -= 1;
                if let Some(state) = &state {
                    self.flow.appended(state.position);
                }
                if let Some(state) = state {
                    self.cache.keep(stream.clone(), state);
                }
                self.queues.free(stream, retry, key);
            }
        }
    }

    fn start(&mut self) {
        let crowd = self.under_way + self.queues.ready();
        self.crowd = crowd.max(self.crowd - self.crowd.div_ceil(8));
        let commands = self.queues.next(MAX_COMMITS, MAX_BYTES);
        if commands.is_empty() && self.unused_positions.is_empty() {
            return;
        }
        self.groups += 1;
        self.started = Some(Instant::now());
        self.under_way += commands.len();
        let with_state = |command: PendingCommand<A>| {
            let state = self.cache.take(&command.request.stream);
            (command, state)
        };
        let commands = commands.into_iter().map(with_state).collect();
        let unused_positions = std::mem::take(&mut self.unused_positions);
        let group = CommitGroup::new(self.store.clone(), self.sender.clone());
        let group = tokio::spawn(group.run(commands, unused_positions));
        let (sender, health) = (self.sender.clone(), self.health.clone());
        tokio::spawn(async move {
            if let Err(error) = group.await {
                report_fault(&health, &error);
                drop(sender.send(GroupEvent::Died)); // The scheduler may be gone as well.
            }
        });
    }
}
