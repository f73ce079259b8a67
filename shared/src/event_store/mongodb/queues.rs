//! Which queues were declared for generations: the broker does not tell a client, and the views' own
//! description of a generation may be lost with them.

use kernel::{Failure, Result};
use mongodb::bson::{Bson, doc};

use super::{MongoDb, failure};

const RECORDING: &str = "recording a queue";
const READING: &str = "reading which queues there are";

impl MongoDb {
    /// Records a queue, before it is declared.
    pub async fn record_queue(&self, queue: &str) -> Result<()> {
        let update = doc! { "$addToSet": { "names": queue } };
        let record = move |this: Self| async move {
            let recorded = this.control.update_one(doc! { "_id": "queues" }, update).upsert(true);
            recorded.await.map(drop).map_err(failure(RECORDING))
        };
        self.ask(RECORDING, record).await
    }

    /// Forgets a queue, after it was deleted.
    pub async fn forget_queue(&self, queue: &str) -> Result<()> {
        let update = doc! { "$pull": { "names": queue } };
        let forget = move |this: Self| async move {
            let forgotten = this.control.update_one(doc! { "_id": "queues" }, update);
            forgotten.await.map(drop).map_err(failure(RECORDING))
        };
        self.ask(RECORDING, forget).await
    }

    /// The queues that were recorded and not forgotten. Each may be declared, or not.
    pub async fn queues(&self) -> Result<Vec<String>> {
        let find = move |this: Self| async move {
            let found = this.control.find_one(doc! { "_id": "queues" }).await;
            let Some(mut found) = found.map_err(failure(READING))? else { return Ok(vec![]) };
            match found.remove("names") {
                Some(Bson::Array(names)) => Ok(names
                    .into_iter()
                    .filter_map(|name| name.as_str().map(str::to_owned))
                    .collect()),
                _ => Err(Failure::permanent(READING, "`names` is no array")),
            }
        };
        self.ask(READING, find).await
    }
}
