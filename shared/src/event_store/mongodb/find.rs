//! Reading commits, in bounded memory.

use std::sync::atomic::Ordering;

use futures::TryStreamExt as _;
use kernel::log::{Entry, Position};
use kernel::{Failure, Result};
use mongodb::bson::{Document, RawDocumentBuf, deserialize_from_slice, doc};

use super::document::CommitDocument;
use super::{MongoDb, failure, integer};
use crate::event_store::READ_BYTES;

/// Documents that a cursor fetches at a time at most: a scan is twice as fast as with the driver's
/// default.
const PAGE: usize = 1_000;
/// At least, however large they are.
const SMALL_PAGE: usize = 16;

pub struct Query {
    pub what: &'static str,
    pub filter: Document,
    pub sort: Document,
    pub projection: Option<Document>,
    /// 0 for no limit.
    pub limit: usize,
    /// Ends behind the document that reaches it.
    pub bytes: usize,
}

impl Query {
    pub fn of(what: &'static str, filter: Document) -> Self {
        Self { what, filter, sort: doc! {}, projection: None, limit: 0, bytes: usize::MAX }
    }
}

pub struct Found {
    pub entries: Vec<Entry>,
    /// Whether that is all, up to the limit.
    pub complete: bool,
}

impl MongoDb {
    pub(super) async fn find(&self, query: Query) -> Result<Found> {
        self.ask(query.what, |this| async move { this.find_now(query).await }).await
    }

    async fn find_now(&self, query: Query) -> Result<Found> {
        let what = query.what;
        let broken = |error| Failure::permanent(what, error);
        let usual = self.commit_bytes.load(Ordering::Relaxed).max(1);
        let page = (READ_BYTES / usual).clamp(SMALL_PAGE, PAGE);
        let find = self.commits.clone_with_type::<RawDocumentBuf>();
        let find = find.find(query.filter).sort(query.sort);
        let find = find.limit(i64::try_from(query.limit).unwrap_or(i64::MAX));
        let mut find = find.batch_size(u32::try_from(page).unwrap_or(u32::MAX));
        let whole = query.projection.is_none();
        if let Some(projection) = query.projection {
            find = find.projection(projection);
        }
        let mut cursor = find.await.map_err(failure(what))?;
        let (mut entries, mut bytes, mut complete) = (vec![], 0, true);
        while let Some(document) = cursor.try_next().await.map_err(failure(what))? {
            bytes += document.as_bytes().len();
            let document: CommitDocument =
                deserialize_from_slice(document.as_bytes()).map_err(broken)?;
            entries.push(Entry::try_from(document)?);
            if bytes >= query.bytes {
                complete = false;
                break;
            }
        }
        if whole && !entries.is_empty() {
            self.commit_bytes.store(bytes / entries.len(), Ordering::Relaxed);
        }
        Ok(Found { entries, complete })
    }

    pub(super) async fn read_head(&self) -> Result<Position> {
        let what = "reading the head of the log";
        let commits = self.commits.clone_with_type::<Document>();
        let newest = commits.find_one(doc! {}).sort(doc! { "_id": -1 });
        let newest = newest.projection(doc! { "_id": 1 }).await;
        let newest = newest.map_err(failure(what))?;
        newest.map_or(Ok(0), |newest| integer(what, &newest, "_id"))
    }
}
