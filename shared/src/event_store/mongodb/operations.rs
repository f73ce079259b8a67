//! What operators did, in a collection of its own: majority + journal, as commits.

use async_trait::async_trait;
use futures::TryStreamExt as _;
use kernel::{Failure, Result, Timestamp};
use mongodb::bson::{Bson, DateTime, doc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{MongoDb, failure};
use crate::operation_log::{ActResult, Entry, OperationLog, Outcome, Page, PageTaker};

const RECORDING: &str = "recording an act of an operator";
const LISTING: &str = "listing the acts of operators";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EntryDocument {
    /// A UUID of version 7 in small letters, whose texts sort by time.
    _id: String,
    at: DateTime,
    actor: String,
    service: String,
    act: String,
    subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outcome: Option<OutcomeDocument>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct OutcomeDocument {
    result: ActResult,
    detail: String,
    at: DateTime,
}

impl From<&Outcome> for OutcomeDocument {
    fn from(outcome: &Outcome) -> Self {
        let at = DateTime::from_millis(outcome.at.as_millis());
        Self { result: outcome.result, detail: outcome.detail.clone(), at }
    }
}

impl From<&Entry> for EntryDocument {
    fn from(entry: &Entry) -> Self {
        Self {
            _id: entry.id.to_string(),
            at: DateTime::from_millis(entry.at.as_millis()),
            actor: entry.actor.clone(),
            service: entry.service.clone(),
            act: entry.act.clone(),
            subject: entry.subject.clone(),
            outcome: entry.outcome.as_ref().map(OutcomeDocument::from),
        }
    }
}

impl TryFrom<EntryDocument> for Entry {
    type Error = Failure;

    fn try_from(document: EntryDocument) -> Result<Self> {
        let time = |at: DateTime| Timestamp::from_millis(at.timestamp_millis());
        let id = document._id.parse().map_err(|error| Failure::permanent(LISTING, error))?;
        let outcome = document.outcome.map(|outcome| Outcome {
            result: outcome.result,
            detail: outcome.detail,
            at: time(outcome.at),
        });
        Ok(Self {
            id,
            at: time(document.at),
            actor: document.actor,
            service: document.service,
            act: document.act,
            subject: document.subject,
            outcome,
        })
    }
}

#[async_trait]
impl OperationLog for MongoDb {
    async fn record(&self, entry: &Entry) -> Result<()> {
        let document = EntryDocument::from(entry);
        let record = move |this: Self| async move {
            let recorded = this.operations.insert_one(document).await;
            recorded.map(drop).map_err(failure(RECORDING))
        };
        self.ask(RECORDING, record).await
    }

    async fn finish(&self, id: Uuid, outcome: &Outcome) -> Result<()> {
        let outcome = mongodb::bson::serialize_to_bson(&OutcomeDocument::from(outcome));
        let outcome = outcome.map_err(|error| Failure::permanent(RECORDING, error))?;
        let finish = move |this: Self| async move { this.set_outcome(id, outcome).await };
        self.ask(RECORDING, finish).await
    }

    async fn list(&self, before: Option<Uuid>, limit: usize) -> Result<Page> {
        self.ask(LISTING, move |this| async move { this.find_operations(before, limit).await })
            .await
    }
}

impl MongoDb {
    async fn set_outcome(&self, id: Uuid, outcome: Bson) -> Result<()> {
        let first = doc! { "$ifNull": ["$outcome", { "$literal": outcome }] };
        let set = vec![doc! { "$set": { "outcome": first } }];
        let updated = self.operations.update_one(doc! { "_id": id.to_string() }, set).await;
        match updated.map_err(failure(RECORDING))?.matched_count {
            0 => Err(Failure::permanent(RECORDING, format!("there is no entry {id}"))),
            _ => Ok(()),
        }
    }

    async fn find_operations(&self, before: Option<Uuid>, limit: usize) -> Result<Page> {
        let filter = match before {
            Some(before) => doc! { "_id": { "$lt": before.to_string() } },
            None => doc! {},
        };
        // One more tells whether there is another page.
        let found = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
        let find = self.operations.find(filter).sort(doc! { "_id": -1 }).limit(found);
        let mut cursor = find.await.map_err(failure(LISTING))?;
        let mut taker = PageTaker::new(limit);
        while let Some(document) = cursor.try_next().await.map_err(failure(LISTING))? {
            if !taker.take(Entry::try_from(document)?) {
                break;
            }
        }
        Ok(taker.finish())
    }
}
