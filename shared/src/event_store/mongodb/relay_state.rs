//! Which process relays the log to the exchange, and how far the exchange has confirmed it.

use std::time::Duration;

use kernel::log::{LogId, Position};
use kernel::{Failure, Result};
use mongodb::bson::doc;
use mongodb::options::ReturnDocument;

use super::{MongoDb, failure, integer};

impl MongoDb {
    /// Takes or renews the relay's lease; false while another holds it. Expiry is told by the
    /// server's clock alone. Two holders would do no harm: events would only be published twice.
    pub async fn lease_relay(&self, holder: &str, term: Duration) -> Result<bool> {
        let (what, asks) = ("leasing the relay", holder.to_owned());
        let millis = i64::try_from(term.as_millis()).unwrap_or(i64::MAX);
        self.ask(what, move |this| async move { this.take_lease(&asks, millis).await }).await
    }

    async fn take_lease(&self, holder: &str, millis: i64) -> Result<bool> {
        let what = "leasing the relay";
        let literal = doc! { "$literal": holder };
        // Without a lease `expires` is missing, and less than any date.
        let free = doc! { "$or": [
            { "$eq": ["$holder", literal.clone()] },
            { "$lt": ["$expires", "$$NOW"] },
            // From before the clock was set back: no relay asks for so long.
            { "$gt": ["$expires", { "$add": ["$$NOW", 2 * millis] }] },
        ] };
        let take = doc! { "$set": {
            "holder": { "$cond": [free.clone(), literal, "$holder"] },
            "expires": { "$cond": [free, { "$add": ["$$NOW", millis] }, "$expires"] },
        } };
        let lease = self
            .control
            .find_one_and_update(doc! { "_id": "relay" }, vec![take])
            .upsert(true)
            .return_document(ReturnDocument::After)
            .await
            .map_err(failure(what))?;
        let Some(lease) = lease else { return Ok(false) };
        let now = lease.get_str("holder").map_err(|error| Failure::permanent(what, error))?;
        Ok(now == holder)
    }

    /// Gives the lease up, so that another relay takes over at once.
    pub async fn release_relay(&self, holder: &str) -> Result<()> {
        let mine = doc! { "_id": "relay", "holder": holder };
        let what = "giving up the relay";
        let give_up = move |this: Self| async move {
            this.control.delete_one(mine).await.map(drop).map_err(failure(what))
        };
        self.ask(what, give_up).await
    }

    /// Everything up to here was confirmed by the exchange.
    pub async fn relay_checkpoint(&self, log: &LogId) -> Result<Position> {
        let id = doc! { "_id": format!("relayed/{log}") };
        let what = "reading the relay's checkpoint";
        let find =
            move |this: Self| async move { this.control.find_one(id).await.map_err(failure(what)) };
        let found = self.ask(what, find).await?;
        found.map_or(Ok(0), |found| integer(what, &found, "position"))
    }

    /// Moves the checkpoint forward, never back.
    pub async fn move_relay_checkpoint(&self, log: &LogId, to: Position) -> Result<()> {
        let id = doc! { "_id": format!("relayed/{log}") };
        let what = "moving the relay's checkpoint";
        let update = move |this: Self| async move {
            let moved = this.control.update_one(id, doc! { "$max": { "position": to } });
            moved.upsert(true).await.map(drop).map_err(failure(what))
        };
        self.ask(what, update).await
    }
}
