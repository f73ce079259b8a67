//! What operators change. Each act is recorded first, and what it came to afterwards.

use kernel::Result;
use kernel::log::{LogId, StreamName};
use shared::messaging::dead_letter::LookError;
use shared::operation_log::{Act, Outcome};
use shared::view_store::GenerationId;

use super::Operations;
use crate::recorder::Error;

/// What a request for a new generation came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Rebuild {
    /// It is begun, and the workers make it beside the live one.
    Begun(GenerationId),
    /// Another one is being made; nothing was begun.
    UnderWay,
    /// The live views are not of this worker's projection and log; nothing was begun.
    OtherViews,
}

/// What another try of a parked stream came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Retry {
    /// All of it is in the views, and its note is gone.
    Applied,
    /// It is parked again, for this reason.
    StillParked(String),
    /// It was not parked; nothing was tried.
    NotParked,
    /// The live views are not of this worker's projection and log; nothing was tried.
    OtherViews,
}

/// What a request to discard a dead letter came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Discard {
    /// It is gone for good.
    Discarded,
    /// It is not there, or another process looks at it.
    NotThere,
    /// The queue is too long to be looked through in time.
    TooLong,
    /// Other looks at the queue took too long.
    Busy,
}

/// Each method ends also when the caller waits no longer.
impl Operations {
    /// Begins a new generation beside the live one, of the same projection.
    pub async fn begin_rebuild(&self, actor: &str) -> Result<Rebuild, Error> {
        let generation = self.generations.another(self.store.log_id().await?);
        let (act, subject) = (Act::Rebuild, &generation.id.to_string());
        let this = self.clone();
        let begin = async move {
            if this.generations.own_live().await?.is_none() {
                return Ok(Rebuild::OtherViews);
            }
            Ok(match this.generations.begin(&generation).await? {
                true => Rebuild::Begun(generation.id),
                false => Rebuild::UnderWay,
            })
        };
        self.recorder.carry_out(actor, act, subject, begin, Rebuild::outcome).await
    }

    /// Gives a restored log its new identity, and returns it. New views are made from the log while
    /// the old ones serve.
    pub(crate) async fn renew_log(&self, actor: &str) -> Result<LogId, Error> {
        let old = self.store.log_id().await?;
        let (act, subject) = (Act::LogRenew, old.as_str());
        let store = self.store.clone();
        let renew = async move {
            let log = store.renew().await?;
            tracing::warn!(%log, "the log was given a new identity");
            Ok(log)
        };
        let told = |log: &LogId| Outcome::done(&format!("it is {log} now"));
        self.recorder.carry_out(actor, act, subject, renew, told).await
    }

    /// Tries a parked stream of the live views again, and returns when that is done.
    pub async fn retry_parked(&self, actor: &str, stream: &StreamName) -> Result<Retry, Error> {
        let (act, subject) = (Act::ParkedRetry, stream.as_str());
        let (this, stream) = (self.clone(), stream.clone());
        let retry = async move { this.retry(&stream).await };
        self.recorder.carry_out(actor, act, subject, retry, Retry::outcome).await
    }

    async fn retry(&self, stream: &StreamName) -> Result<Retry> {
        let Some(live) = self.generations.own_live().await? else { return Ok(Retry::OtherViews) };
        if self.retrier.note(&live.id, stream).await?.is_none() {
            return Ok(Retry::NotParked);
        }
        if self.retrier.retry(&live.id, stream).await? {
            return Ok(Retry::Applied);
        }
        let note = self.retrier.note(&live.id, stream).await?;
        Ok(Retry::StillParked(note.map(|note| note.reason).unwrap_or_default()))
    }

    /// Removes the dead letter of this id.
    pub(crate) async fn discard_dead_letter(
        &self,
        actor: &str,
        id: &str,
    ) -> Result<Discard, Error> {
        let (act, subject) = (Act::DeadLettersDiscard, id);
        let (feeds, id) = (self.feeds.clone(), id.to_owned());
        let discard = async move {
            match feeds.discard_dead_letter(&id).await {
                Ok(true) => Ok(Discard::Discarded),
                Ok(false) => Ok(Discard::NotThere),
                Err(LookError::TooLong) => Ok(Discard::TooLong),
                Err(LookError::Busy) => Ok(Discard::Busy),
                Err(LookError::Failed(failure)) => Err(failure),
            }
        };
        self.recorder.carry_out(actor, act, subject, discard, Discard::outcome).await
    }
}

const OTHER_VIEWS: &str = "the live views are not of this worker's projection and log";

impl Rebuild {
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Begun(_) => Outcome::done("it is begun"),
            Self::UnderWay => Outcome::refused("another generation is being made"),
            Self::OtherViews => Outcome::refused(OTHER_VIEWS),
        }
    }
}

impl Retry {
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Applied => Outcome::done("all of it is in the views"),
            Self::StillParked(reason) => Outcome::done(&format!("it is parked still: {reason}")),
            Self::NotParked => Outcome::refused("it is not parked"),
            Self::OtherViews => Outcome::refused(OTHER_VIEWS),
        }
    }
}

impl Discard {
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Discarded => Outcome::done("it is gone"),
            Self::NotThere => Outcome::refused("it is not there, or another process looks at it"),
            Self::TooLong => Outcome::failed("the queue is too long to be looked through in time"),
            Self::Busy => Outcome::failed("other looks at the queue took too long"),
        }
    }
}
