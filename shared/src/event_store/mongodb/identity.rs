//! Which log the database holds. It may be another one from one moment to the next, when the server
//! behind the address is replaced or restored while services run.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kernel::log::LogId;
use kernel::{Failure, Result};
use mongodb::bson::{Document, doc};

use super::{MongoDb, failure};

/// How long a look at the identity is trusted. When a server is replaced, connections break;
/// after that no earlier look is trusted.
const TRUST: Duration = Duration::from_secs(1);

/// The log that this adapter was connected to, and when that was seen last.
#[derive(Debug, Default)]
pub struct Identity(Mutex<(Option<LogId>, Option<Instant>)>);

impl Identity {
    pub fn distrust(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1 = None;
    }

    fn is_trusted(&self) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.1.is_some_and(|seen| seen.elapsed() < TRUST)
    }

    fn log(&self) -> Option<LogId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// The log that was seen first is the one.
    fn saw(&self, log: &LogId) -> Result<()> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = known.0.get_or_insert_with(|| log.clone());
        if first != log {
            let why = format!("the database holds log {log} now, no longer {first}");
            return Err(Failure::permanent("appending to the log", why));
        }
        known.1 = Some(Instant::now());
        Ok(())
    }
}

impl MongoDb {
    /// Fails when the database holds another log than it did.
    pub(super) async fn check_identity(&self) -> Result<()> {
        if self.identity.is_trusted() {
            return Ok(());
        }
        self.identity.saw(&self.read_identity().await?)
    }

    /// The log that this adapter was connected to.
    pub(super) async fn known_log(&self) -> Result<LogId> {
        match self.identity.log() {
            Some(log) => Ok(log),
            None => {
                let log = self.read_identity().await?;
                self.identity.saw(&log).map(|()| log)
            }
        }
    }

    /// An empty database is made a new log.
    pub(super) async fn read_identity(&self) -> Result<LogId> {
        let what = "reading the identity of the log";
        if let Some(log) = self.find_identity().await? {
            return Ok(log);
        }
        self.lay_out().await?;
        let none = || Failure::transient(what, "there is none yet");
        self.find_identity().await?.ok_or_else(none)
    }

    async fn find_identity(&self) -> Result<Option<LogId>> {
        let what = "reading the identity of the log";
        let commits = self.commits.clone_with_type::<Document>();
        let identity = commits.find_one(doc! { "_id": 0_i64 }).await.map_err(failure(what))?;
        let log = |identity: Document| match identity.get_str("log") {
            Ok(id) => Ok(LogId::stored(id)),
            Err(error) => Err(Failure::permanent(what, error)),
        };
        identity.map(log).transpose()
    }

    pub(super) async fn renew_identity(&self) -> Result<LogId> {
        let what = "renewing the log";
        let new = LogId::random();
        let commits = self.commits.clone_with_type::<Document>();
        let renew = doc! { "$set": { "log": new.as_str() } };
        let renewed = commits.update_one(doc! { "_id": 0_i64 }, renew).await;
        match renewed.map_err(failure(what))?.matched_count {
            0 => Err(Failure::transient(what, "the database holds none")),
            _ => Ok(new),
        }
    }
}
