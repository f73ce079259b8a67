//! Who relays the log to the exchange, and how far it is confirmed.

use std::time::Duration;

use mongodb::bson::{Bson, doc};
use mongodb::options::ReturnDocument;

use super::{DUPLICATE_KEY, MongoDb, failure};
use crate::Result;
use crate::log::{LogId, Position};

impl MongoDb {
    /// Takes or renews the relay's lease; false while another holds it. Expiry is told by the
    /// server's clock alone. Two holders would do no harm: events would only be published twice.
    pub async fn lease_relay(&self, holder: &str, term: Duration) -> Result<bool> {
        let millis = i64::try_from(term.as_millis()).unwrap_or(i64::MAX);
        let free = doc! { "$or": [
            { "holder": holder },
            { "$expr": { "$lt": [ { "$ifNull": ["$expires", "$$NOW"] }, "$$NOW" ] } },
            { "expires": { "$exists": false } },
        ] };
        let take = vec![doc! { "$set": {
            "holder": { "$literal": holder },
            "expires": { "$add": ["$$NOW", millis] },
        } }];
        let mut query = doc! { "_id": "relay" };
        query.extend(free);
        let taken = self
            .control
            .find_one_and_update(query, take)
            .upsert(true)
            .return_document(ReturnDocument::After)
            .await;
        match taken {
            Ok(lease) => Ok(lease.is_some()),
            Err(error) if is_duplicate(&error) => Ok(false),
            Err(error) => Err(failure("leasing the relay")(error)),
        }
    }

    /// Lets another take over at once.
    pub async fn release_relay(&self, holder: &str) -> Result<()> {
        let mine = doc! { "_id": "relay", "holder": holder };
        let what = "giving up the relay";
        self.control.delete_one(mine).await.map_err(failure(what))?;
        Ok(())
    }

    /// Everything up to here was confirmed by the exchange.
    pub async fn relay_checkpoint(&self, log: &LogId) -> Result<Position> {
        let id = doc! { "_id": format!("relayed/{log}") };
        let found =
            self.control.find_one(id).await.map_err(failure("reading the relay's checkpoint"))?;
        Ok(found.as_ref().and_then(|it| it.get("position")).and_then(Bson::as_i64).unwrap_or(0))
    }

    /// Moves the checkpoint forward, never back.
    pub async fn move_relay_checkpoint(&self, log: &LogId, to: Position) -> Result<()> {
        let id = doc! { "_id": format!("relayed/{log}") };
        self.control
            .update_one(id, doc! { "$max": { "position": to } })
            .upsert(true)
            .await
            .map_err(failure("moving the relay's checkpoint"))?;
        Ok(())
    }
}

/// An upsert lost against the document it did not match: somebody else holds the lease.
fn is_duplicate(error: &mongodb::error::Error) -> bool {
    use mongodb::error::{ErrorKind, WriteFailure};
    match &*error.kind {
        ErrorKind::Command(command) => command.code == DUPLICATE_KEY,
        ErrorKind::Write(WriteFailure::WriteError(write)) => write.code == DUPLICATE_KEY,
        _ => false,
    }
}
