//! Records what operators do, before it is carried out, and then what it came to.

use std::sync::Arc;

use kernel::{Failure, Result};
use shared::http::problem::Problem;
use shared::operation_log::{Act, Entry, OperationLog, Outcome};
use shared::service::failpoint;

/// What carries the acts out, as entries name it.
const SERVICE: &str = "projector";

/// Why it is not known that an act was carried out.
#[derive(Debug)]
pub enum Error {
    /// It could not be recorded, so it was not carried out.
    NotRecorded(Failure),
    /// It failed.
    Failed(Failure),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Failed(failure) => failure.into(),
            Error::NotRecorded(failure) => {
                tracing::warn!(%failure, "an act of an operator was not carried out: it can't be recorded");
                Self::unavailable(
                    "What operators do is recorded first, and that can't be done now; nothing was \
                     changed. Try again.",
                )
            }
        }
    }
}

/// Writes the operation log.
#[derive(Clone)]
pub(crate) struct Recorder(Arc<dyn OperationLog>);

impl Recorder {
    pub(crate) fn new(log: Arc<dyn OperationLog>) -> Self {
        Self(log)
    }

    /// Where entries are read.
    pub(crate) fn log(&self) -> &dyn OperationLog {
        &*self.0
    }

    /// Records the act, carries it out by `work`, and records what `told` says that it came to. All of
    /// that ends also when the caller waits no longer. Where the outcome can't be recorded, the entry
    /// stays without one.
    pub(crate) async fn carry_out<T: Send + 'static>(
        &self,
        actor: &str,
        act: Act,
        subject: &str,
        work: impl Future<Output = Result<T>> + Send + 'static,
        told: fn(&T) -> Outcome,
    ) -> Result<T, Error> {
        let (log, entry) = (self.0.clone(), Entry::new(actor, SERVICE, act, subject));
        let recorded = async move {
            failpoint::hit("record.before");
            log.record(&entry).await.map_err(Error::NotRecorded)?;
            failpoint::hit("record.after");
            let done = work.await;
            let outcome = match &done {
                Ok(done) => told(done),
                Err(failure) => Outcome::failed(&failure.to_string()),
            };
            failpoint::hit("outcome.before");
            if let Err(failure) = log.finish(entry.id, &outcome).await {
                tracing::error!(%failure, id = %entry.id, ?outcome, "not recorded");
            }
            done.map_err(Error::Failed)
        };
        let ended = tokio::spawn(recorded).await;
        ended.map_err(|error| Failure::transient("carrying out an act of an operator", error))?
    }
}
