//! What the routes work with.

use std::sync::Arc;
use std::time::Duration;

use kernel::aggregate::Aggregate;
use kernel::log::LogId;
use kernel::{Failure, Namespace, Result};
use shared::event_store::EventStore;
use shared::http::Client;
use shared::service::health::Health;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::client_semaphore::{ClientSemaphore, Permit};
use crate::log_watch::LogWatch;
use crate::write::{FlowControl, Writer};
use crate::{lag, metrics};

/// Reads of the log at a time: each holds up to 1 MiB of commits, and what is made of them.
const CONCURRENT_READS: usize = 4;
/// Longest wait for a place among them.
const READ_PLACE_TIMEOUT: Duration = Duration::from_secs(10);

/// Folds of streams at a time, and those of one client: each holds a state, also while it waits for its reads.
const CONCURRENT_FOLDS: usize = 8;
const FOLDS_OF_CLIENT: usize = CONCURRENT_FOLDS / 2;

/// The write side of one aggregate over one log; the routes share it.
pub struct Service<A: Aggregate> {
    /// The log.
    pub store: Arc<dyn EventStore>,
    /// Takes commands.
    pub writer: Writer<A>,
    /// Which log it is, as of the start.
    pub log: LogId,
    /// Part of the `source` of each event that is answered.
    pub namespace: Namespace,
    /// Places for reads of the log: each holds a part of it in memory.
    reads: Arc<ClientSemaphore>,
    /// Places for folds.
    folds: Arc<ClientSemaphore>,
    /// For requests that wait for more of the log.
    pub(crate) log_watch: Arc<LogWatch>,
    /// Cancelled when the service stops: requests that wait for more of the log end then.
    pub stop: CancellationToken,
}

impl<A: Aggregate> Service<A> {
    /// Starts the write side over a log. The handle ends after the last user of the service is
    /// gone and everything submitted is answered.
    pub async fn start(
        store: Arc<dyn EventStore>,
        namespace: &Namespace,
        health: &Health,
        flow_control: FlowControl,
        stop: CancellationToken,
    ) -> Result<(Self, JoinHandle<()>)> {
        metrics::tell();
        metrics::tell_of_commands(A::contract().commands.iter().map(|command| command.name));
        let log = store.log_id().await?;
        tokio::spawn(lag::watch(store.clone(), health.clone(), stop.clone()));
        let (writer, scheduler) = Writer::start_with(store.clone(), health.clone(), flow_control);
        let reads = ClientSemaphore::new(CONCURRENT_READS, CONCURRENT_READS);
        let folds = ClientSemaphore::new(CONCURRENT_FOLDS, FOLDS_OF_CLIENT);
        let log_watch = LogWatch::start(store.clone(), stop.clone());
        let namespace = namespace.clone();
        Ok((Self { store, writer, log, namespace, reads, folds, log_watch, stop }, scheduler))
    }

    /// A place to read the log, held while what was read is in memory. A client may have all of them while
    /// no other asks; else they have their turns.
    pub(crate) async fn reading(&self, client: Option<&Client>) -> Result<Permit> {
        let what = "waiting to read the log";
        let place = tokio::time::timeout(READ_PLACE_TIMEOUT, self.reads.acquire(client)).await;
        let place = place.map_err(|_| Failure::transient(what, "too many read it"))?;
        place.map_err(|closed| Failure::transient(what, closed))
    }

    /// A place to fold a stream, held while its state is in memory.
    pub(crate) async fn folding(&self, client: Option<&Client>) -> Result<Permit> {
        let place = self.folds.acquire(client).await;
        place.map_err(|closed| Failure::transient("waiting to fold a stream", closed))
    }
}
