//! Starts the groups: two may run at a time. Keeps what is known of each stream between them.

use std::sync::Arc;

use kernel::aggregate::Aggregate;
use kernel::log::{Position, StreamName};
use shared::event_store::EventStore;
use shared::service::health::Health;
use tokio::sync::mpsc;
use tokio::task::JoinError;
use tokio::time::{Duration, Instant, MissedTickBehavior, interval};

use super::cache::Cache;
use super::draft::Known;
use super::group::Group;
use super::job::Job;
use super::queues::Queues;

/// Groups under way at a time: with two, one is decided while the other is inserted.
const PLACES: usize = 2;
/// Commits in a group: more per insert gain little and cost latency.
const GROUP: usize = 256;
/// Bytes of the commands in a group, by their JSON: an insert stays far below what a message to
/// MongoDB may have (48 MB), and the others do not wait long behind it.
const GROUP_BYTES: usize = 4 << 20;
/// When the latest group is older than this, the next one starts, however small it is.
const STUCK: Duration = Duration::from_millis(20);
/// Between two looks for jobs whose clients are gone or whose time is over.
const PURGE: Duration = Duration::from_millis(100);

/// News from a group.
#[expect(clippy::large_enum_variant, reason = "nearly all news are of free streams")]
pub enum News<A: Aggregate> {
    /// The stream is free again, at this state where it is known for certain; a job that must
    /// start afresh goes first.
    Free { stream: StreamName, known: Option<Known<A>>, again: Option<Job<A>>, key: Option<String> },
    /// The group is over; these positions were drawn and not used.
    Over { owed: Vec<Position> },
    /// The group ended by a fault: what became of its jobs is not known.
    Died,
}

/// What the desk and its groups are called in the health of the service.
pub const PART: &str = "commands";

/// Nothing is carried out any more: what a fault of the write side itself has left is not known.
pub fn report_fault(health: &Health, error: &JoinError) {
    tracing::error!(%error, "the write side ended by a fault");
    health.waits(PART, "they can't be carried out after a fault: restart the service");
}

pub struct Desk<A: Aggregate> {
    store: Arc<dyn EventStore>,
    health: Health,
    inbox: mpsc::Receiver<Job<A>>,
    news: mpsc::UnboundedReceiver<News<A>>,
    report: mpsc::UnboundedSender<News<A>>,
    queues: Queues<A>,
    cache: Cache<Known<A>>,
    owed: Vec<Position>,
    groups: usize,
    /// Jobs in groups.
    under_way: usize,
    /// How many jobs there were lately, in groups and waiting; forgotten by an eighth per group.
    crowd: usize,
    /// When the latest group started.
    started: Option<Instant>,
}

impl<A: Aggregate> Desk<A> {
    pub fn new(store: Arc<dyn EventStore>, inbox: mpsc::Receiver<Job<A>>, health: Health) -> Self {
        let (report, news) = mpsc::unbounded_channel();
        Self {
            store,
            health,
            inbox,
            news,
            report,
            queues: Queues::default(),
            cache: Cache::default(),
            owed: vec![],
            groups: 0,
            under_way: 0,
            crowd: 0,
            started: None,
        }
    }

    /// Ends when all writers are gone and everything that was submitted is answered.
    pub async fn run(mut self) {
        let mut open = true;
        let mut purge = interval(PURGE);
        purge.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while open || self.groups > 0 || self.queues.ready() > 0 {
            tokio::select! {
                Some(news) = self.news.recv() => self.hear(news),
                job = self.inbox.recv(), if open => match job {
                    Some(job) => self.take(job),
                    None => open = false,
                },
                _ = purge.tick(), if !self.queues.is_empty() => self.queues.purge(),
                () = tokio::time::sleep(STUCK), if self.groups < PLACES && self.queues.ready() > 0 => {}
            }
            while let Ok(job) = self.inbox.try_recv() {
                self.take(job);
            }
            self.hear_all();
            while self.is_time() {
                self.start();
            }
        }
    }

    /// A group starts at once when none is under way. A second one starts when half as
    /// many jobs are ready as there were lately: a tiny group would cost as much as a full one.
    fn is_time(&self) -> bool {
        let ready = self.queues.ready();
        let any = ready > 0 || !self.owed.is_empty();
        let stuck = self.started.is_some_and(|started| started.elapsed() > STUCK);
        any && (self.groups == 0
            || self.groups < PLACES && stuck
            || self.groups < PLACES && ready >= (self.crowd / 2).min(GROUP))
    }

    fn hear_all(&mut self) {
        while let Ok(news) = self.news.try_recv() {
            self.hear(news);
        }
    }

    fn take(&mut self, job: Job<A>) {
        // News of a job come before its answer, and so before what its client sends next.
        self.hear_all();
        self.queues.take(job);
    }

    fn hear(&mut self, news: News<A>) {
        match news {
            News::Over { owed } => {
                self.groups -= 1;
                self.owed.extend(owed);
            }
            News::Died => {
                self.groups -= 1;
                self.queues.fail();
            }
            News::Free { stream, known, again, key } => {
                self.under_way -= 1;
                if let Some(known) = known {
                    self.cache.keep(stream.clone(), known);
                }
                self.queues.free(stream, again, key);
            }
        }
    }

    fn start(&mut self) {
        let crowd = self.under_way + self.queues.ready();
        self.crowd = crowd.max(self.crowd - self.crowd.div_ceil(8));
        let jobs = self.queues.next(GROUP, GROUP_BYTES);
        if jobs.is_empty() && self.owed.is_empty() {
            return;
        }
        self.groups += 1;
        self.started = Some(Instant::now());
        self.under_way += jobs.len();
        let known = |job: Job<A>| {
            let known = self.cache.take(&job.request.stream);
            (job, known)
        };
        let jobs = jobs.into_iter().map(known).collect();
        let owed = std::mem::take(&mut self.owed);
        let group = Group::new(self.store.clone(), self.report.clone());
        let group = tokio::spawn(group.run(jobs, owed));
        let (report, health) = (self.report.clone(), self.health.clone());
        tokio::spawn(async move {
            if let Err(error) = group.await {
                report_fault(&health, &error);
                drop(report.send(News::Died)); // The desk may be gone as well.
            }
        });
    }
}
