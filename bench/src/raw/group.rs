//! Group commit: one unordered `insert_many` for all that waits.

use std::rc::Rc;
use std::time::Duration;

use mongodb::bson::{DateTime, RawDocumentBuf, doc, rawdoc};
use mongodb::options::{
    Acknowledgment, ClientOptions, CollectionOptions, IndexOptions, WriteConcern,
};
use mongodb::{Client, Collection, IndexModel};
use uuid::Uuid;

use super::flow::{Flow, Job};
use super::order::{event, now};
use super::{Pace, Servers};
use crate::Result;

/// Orders in a group at most.
const GROUP: usize = 256;

/// The log with its one unique index, durable as Waybill's is.
pub async fn prepare(servers: &Servers) -> Result<Collection<RawDocumentBuf>> {
    let mut options = ClientOptions::parse(&servers.mongodb).await?;
    options.retry_writes = Some(false); // Saves the server a session's record for each group.
    let durable = WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build();
    let options = (options, CollectionOptions::builder().write_concern(durable).build());
    let database = Client::with_options(options.0)?.database(&servers.namespace);
    let commits = database.collection_with_options("commits", options.1);
    let unique = IndexOptions::builder().unique(true).build();
    let index = IndexModel::builder().keys(doc! { "stream": 1, "from": 1 }).options(unique).build();
    commits.create_index(index).await?;
    Ok(commits)
}

/// A commit with one event.
pub fn document(position: i64, stream: &str, id: Uuid, data: &str) -> RawDocumentBuf {
    let id = id.to_string();
    rawdoc! {
        "_id": position,
        "stream": stream,
        "from": 1_i64,
        "to": 1_i64,
        "events": [{ "id": id.as_str(), "type": "OrderCreated", "schema": 1, "data": data }],
        "at": DateTime::now(),
        "meta": { "correlation": id.as_str() },
    }
}

/// Writes what waits, in groups, and hands it to the relay.
pub async fn run(
    flow: Rc<Flow>,
    commits: Collection<RawDocumentBuf>,
    pause: Duration,
) -> Result<()> {
    let mut pace = Pace::new(pause);
    let mut next = 1_i64;
    loop {
        while flow.waiting.borrow().is_empty() {
            flow.arrived.notified().await;
        }
        pace.next().await;
        flow.room().await;
        let jobs: Vec<Job> = {
            let mut waiting = flow.waiting.borrow_mut();
            let count = waiting.len().min(GROUP);
            waiting.drain(..count).collect()
        };
        let (mut documents, mut events) = (vec![], vec![]);
        let time = now();
        for (job, position) in jobs.iter().zip(next..) {
            let (id, stream) = (Uuid::now_v7(), format!("order-{}", job.order_id));
            documents.push(document(position, &stream, id, &job.data));
            events.push(event(id, position, &stream, &time, &job.data)?);
        }
        commits.insert_many(documents).ordered(false).await?;
        flow.written.borrow_mut().extend(events);
        flow.to_publish.notify_one();
        for (job, position) in jobs.into_iter().zip(next..) {
            job.reply.send(position).ok(); // Its client may have gone.
            next = position + 1;
        }
        flow.head.set(next - 1);
    }
}
