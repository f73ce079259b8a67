//! The relay: follows the log and publishes every event to the exchange, at least once and in log
//! order. One leader by lease; a second would do no harm.

mod answered;
mod checkpoint;
mod leading;
mod lease;
mod messages;
mod obstruction;
mod stopping;

use std::sync::Arc;
use std::time::Duration;

use kernel::log::{Commit, LogId, Position};
use kernel::{Namespace, Result};
use shared::event_store::EventStore as _;
use shared::event_store::mongodb::MongoDb;
use shared::feed::cursor::Cursor;
use shared::messaging::cloud_event::source;
use shared::messaging::rabbitmq::{Publisher, RabbitMq};
use shared::service::backoff::Backoff;
use shared::service::health::Health;
use shared::service::liveness::Work;
use shared::service::min_interval::MinInterval;
use shared::service::traces::{Attributes, Kind, Step};
use shared::service::vital::vital;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::answered::Answered;
use self::checkpoint::Checkpoint;
use self::leading::Leading;
use self::lease::{LEASE_TERM, Lease};
use self::messages::MessageWriter;
use self::obstruction::Obstruction;
use self::stopping::patiently;
use crate::metrics;
use crate::told::told;

/// Events whose messages wait for their confirms together.
const RUN: usize = 1_024;
/// Commits that are relayed without waiting for more.
const FULL: usize = 200;
/// How often the checkpoint is stored: what a restart may publish again.
const CHECKPOINT_INTERVAL: Duration = Duration::from_millis(100);
/// Of a run that counts as not published, although nothing failed.
const UNCONFIRMED: &str = "not confirmed before the stop, or the loss of the lease";

/// The part that the relay is in the health of the service.
const HEALTH_PART: &str = "relay";

/// Publishes the log, as long as it holds the lease.
pub struct Relay {
    store: MongoDb,
    broker: RabbitMq,
    log: LogId,
    messages: MessageWriter,
    holder: String,
    health: Health,
    work: Work,
}

impl Relay {
    /// Relays `log` under a holder's name of its own. `events_per_message` (1 to 64) bounds the
    /// events that share a message.
    pub fn new(
        store: MongoDb,
        broker: RabbitMq,
        log: LogId,
        namespace: &Namespace,
        events_per_message: usize,
        health: Health,
    ) -> Self {
        let messages = MessageWriter::new(source(namespace, &log), events_per_message);
        let (holder, work) = (Uuid::new_v4().to_string(), health.work("relay"));
        Self { store, broker, log, messages, holder, health, work }
    }

    /// Leads whenever it may, until `stop`, in a task of its own. After an end by a fault the part `relay` of
    /// the health is not ready.
    pub fn start(self, stop: CancellationToken) -> JoinHandle<()> {
        tokio::spawn(vital(self.health.clone(), HEALTH_PART, self.run(stop)))
    }

    async fn run(self, stop: CancellationToken) {
        let mut attempts = Attempts { backoff: Backoff::for_servers(), unconfirmed: None };
        let mut obstruction = Obstruction::default();
        while !stop.is_cancelled() {
            self.work.progress();
            if let Err(failure) = self.turn(&mut attempts, &stop).await {
                metrics::RELAY_FAILURES.add(1);
                self.health.waits(HEALTH_PART, failure);
                self.give_up().await;
                let failures = attempts.backoff.attempts() + 1;
                let clear = obstruction.clear(&self, failures, attempts.unconfirmed);
                stop.run_until_cancelled(clear).await;
                attempts.backoff.sleep_unless(&stop).await;
            }
        }
        self.give_up().await;
    }

    /// Of a span, by the conventions for messaging.
    fn about(&self, messages: usize) -> Attributes {
        vec![
            ("messaging.system", "rabbitmq".to_owned()),
            ("messaging.operation.type", "send".to_owned()),
            ("messaging.destination.name", self.broker.exchange()),
            ("messaging.batch.message_count", messages.to_string()),
        ]
    }

    async fn give_up(&self) {
        if let Err(failure) = self.store.release_relay(&self.holder).await {
            tracing::debug!(%failure, "the lease runs out by itself");
        }
    }

    /// `None` when `stop` came first: a broker that hangs takes 20 s for each step.
    async fn connect(&self, stop: &CancellationToken) -> Result<Option<Publisher>> {
        stop.run_until_cancelled(self.broker.publisher()).await.transpose()
    }

    async fn turn(&self, attempts: &mut Attempts, stop: &CancellationToken) -> Result<()> {
        let (store, holder) = (&self.store, self.holder.as_str());
        let lease = Lease::take(move || store.lease_relay(holder, LEASE_TERM)).await?;
        let Some(mut lease) = lease else {
            if self.could_lead(attempts, stop).await? {
                self.health.tell(HEALTH_PART, "another process relays the log".to_owned());
                self.health.ready(HEALTH_PART);
                attempts.unconfirmed = None;
            }
            stop.run_until_cancelled(tokio::time::sleep(LEASE_TERM / 6)).await;
            return Ok(());
        };
        let Some(publisher) = self.connect(stop).await? else { return Ok(()) };
        self.work.progress();
        let led = self.lead(&publisher, &mut lease, attempts, stop).await;
        if stop.is_cancelled() {
            self.give_up().await; // The next leader does not wait for a broker that hangs.
        }
        publisher.close().await;
        led
    }

    /// Whether this process is ready while another one leads. That one says nothing of the broker by leading:
    /// it may fail next.
    async fn could_lead(&self, attempts: &Attempts, stop: &CancellationToken) -> Result<bool> {
        if !self.health.waiting().contains_key(HEALTH_PART) {
            return Ok(true);
        }
        if let Some(failed) = attempts.unconfirmed {
            let confirmed = self.store.relay_checkpoint(&self.log).await?;
            if confirmed <= failed && confirmed < self.store.head().await? {
                return Ok(false); // A broker that takes connections may take no messages.
            }
        }
        let Some(publisher) = self.connect(stop).await? else { return Ok(false) };
        publisher.close().await;
        Ok(true)
    }

    /// Publishes from the checkpoint on, while the lease holds.
    async fn lead<F: Future<Output = Result<bool>>>(
        &self,
        publisher: &Publisher,
        lease: &mut Lease<impl Fn() -> F>,
        attempts: &mut Attempts,
        stop: &CancellationToken,
    ) -> Result<()> {
        let from = self.store.relay_checkpoint(&self.log).await?;
        let mut checkpoint = Checkpoint::at(from);
        let mut cursor = Cursor::new(Arc::new(self.store.clone()), from);
        let (mut interval, mut answered) = (MinInterval::default(), Answered::now());
        tracing::info!(from, "relays the log to the exchange");
        let _leading = Leading::begin(&self.health);
        while !stop.is_cancelled() {
            self.work.progress();
            if !lease.holds().await? {
                break;
            }
            let run = cursor.next_run().await?;
            interval.start();
            for run in runs(&run.commits) {
                attempts.unconfirmed = Some(checkpoint.stored);
                if !self.publish(publisher, lease, run, stop).await? {
                    return checkpoint.store(self, Duration::ZERO).await;
                }
                attempts.unconfirmed = None;
                answered = Answered::now();
                self.work.progress();
                checkpoint.confirmed =
                    run.last().map_or(checkpoint.confirmed, |commit| commit.position);
                checkpoint.store(self, CHECKPOINT_INTERVAL).await?;
            }
            checkpoint.confirmed = run.to;
            metrics::RELAY_POSITION.set_position(run.to);
            self.health.ready(HEALTH_PART);
            attempts.succeeded();
            if !run.commits.is_empty() && run.commits.len() < FULL {
                interval.rest().await;
            }
            if run.commits.is_empty() {
                checkpoint.store(self, CHECKPOINT_INTERVAL).await?;
                answered.ask_again(publisher, stop).await?;
                tokio::select! {
                    () = cursor.wait() => {}
                    () = stop.cancelled() => {}
                }
            }
        }
        checkpoint.store(self, Duration::ZERO).await
    }

    /// Publishes a run and waits for its confirms; false where `stop`, or the loss of the lease, comes before
    /// that. Then the exchange may have any part of it, and it counts as not published.
    async fn publish<F: Future<Output = Result<bool>>>(
        &self,
        publisher: &Publisher,
        lease: &mut Lease<impl Fn() -> F>,
        run: &[Commit],
        stop: &CancellationToken,
    ) -> Result<bool> {
        if stop.is_cancelled() {
            return Ok(false);
        }
        let messages = self.messages.write(run)?;
        let step = Step::begin("publish", Kind::Producer);
        let sent = patiently(stop, publisher.publish(&messages, &self.work));
        let sent = lease.beside(sent).await;
        let sent = sent.map_or_else(|failure| Some(Err(failure)), Option::flatten);
        if let Some(step) = step {
            let step = match &sent {
                Some(sent) => step.became(sent),
                None => step.failed(&UNCONFIRMED),
            };
            step.end(self.about(messages.len()), run.iter().map(told));
        }
        let Some(sent) = sent else {
            tracing::info!(messages = messages.len(), "{UNCONFIRMED}");
            return Ok(false);
        };
        sent?;
        published(run, messages.len());
        Ok(true)
    }
}

/// What is known of the attempts to lead.
struct Attempts {
    backoff: Backoff,
    /// The checkpoint at the last attempt to publish, where that failed and nothing has shown since that the
    /// broker takes messages.
    unconfirmed: Option<Position>,
}

impl Attempts {
    fn succeeded(&mut self) {
        self.backoff.reset();
        self.unconfirmed = None;
    }
}

/// Counts what the broker has confirmed.
fn published(run: &[Commit], messages: usize) {
    metrics::MESSAGES.add(messages);
    metrics::PUBLISHED.add(run.iter().map(|commit| commit.events.len()).sum());
    if let Some(oldest) = run.first() {
        metrics::RELAY_DELAY.took(oldest.at.age(), &[]);
    }
}

/// Cuts commits into runs of about `RUN` events, whole commits each. (What is read at a time is bounded
/// in bytes.)
fn runs(commits: &[Commit]) -> impl Iterator<Item = &[Commit]> {
    let mut rest = commits;
    std::iter::from_fn(move || {
        let mut events = 0;
        let fits = |commit: &&Commit| {
            events += commit.events.len();
            events <= RUN
        };
        let length = rest.iter().take_while(fits).count().max(usize::from(!rest.is_empty()));
        let (run, after) = rest.split_at(length);
        rest = after;
        (!run.is_empty()).then_some(run)
    })
}
