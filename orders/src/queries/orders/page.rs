//! A page of whole orders: those that still are what was asked for, up to a size.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};

use kernel::aggregate::Aggregate as _;
use kernel::log::{StreamName, Version};
use kernel::projection::Stored;
use kernel::query::{Error, Reply, Views};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::{Answered, PAGE_BYTES, behind, reply};
use super::documents;
use crate::order::{OrderAggregate, Status};
use crate::view::names;

/// Documents that are read at a time, at most and at first.
const MAX_CHUNK: usize = 50;
const FIRST_CHUNK: usize = 16;
/// Bytes of documents that one read should not exceed.
const CHUNK_BYTES: usize = 2 << 20;

/// How many documents are read at a time, learned from read to read by how large they are. All requests
/// of the process share it: it says nothing but how an answer is read.
static CHUNK: Chunk = Chunk(AtomicUsize::new(FIRST_CHUNK));

struct Chunk(AtomicUsize);

impl Chunk {
    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// As many documents of this size as fit are read next, at most twice as many as now.
    fn read(&self, found: &[Option<Stored>]) {
        let bytes: usize = found.iter().flatten().map(|stored| stored.document.len()).sum();
        let fit = CHUNK_BYTES * found.len() / bytes.max(1);
        let most = self.get().saturating_mul(2).min(MAX_CHUNK);
        self.0.store(fit.clamp(1, most), Ordering::Relaxed);
    }
}

/// What the orders of a list have in common.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub status: Option<Status>,
    pub customer: Option<&'a str>,
}

#[derive(Deserialize)]
struct Header<'a> {
    status: Status,
    #[serde(borrow)]
    customer_id: Cow<'a, str>,
}

impl Asked<'_> {
    /// Whether the document is in the list still. (List and documents are two reads; an order may
    /// change in between.)
    pub fn fits(self, document: &[u8]) -> Result<bool, Error> {
        if self.status.is_none() && self.customer.is_none() {
            return Ok(true);
        }
        let header: Header<'_> = serde_json::from_slice(document).map_err(broken)?;
        Ok(self.status.is_none_or(|status| status == header.status)
            && self.customer.is_none_or(|customer| customer == header.customer_id))
    }
}

#[derive(Default)]
pub struct Page {
    documents: Vec<Vec<u8>>,
    bytes: usize,
    shows: Vec<(StreamName, Version)>,
    next: Option<String>,
}

impl Page {
    /// Reads the orders of these entries; `next` is the cursor behind all of them.
    pub async fn of(
        views: &dyn Views,
        asked: Asked<'_>,
        entries: &[String],
        next: Option<String>,
    ) -> Result<Self, Error> {
        let mut page = Self { next, ..Self::default() };
        let mut considered: Option<&String> = None;
        let mut rest = entries;
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(CHUNK.get().min(rest.len()));
            rest = after;
            let streams: Result<Vec<StreamName>, Error> =
                chunk.iter().map(|entry| stream(entry)).collect();
            let streams = streams?;
            let stored = documents(views, streams.clone()).await?;
            CHUNK.read(&stored);
            for ((entry, stream), stored) in chunk.iter().zip(streams).zip(stored) {
                let Some(stored) = stored else { continue };
                if asked.fits(&stored.document)? {
                    if page.is_full(&stored) {
                        page.next = considered.cloned();
                        return Ok(page);
                    }
                    page.add(stream, stored);
                }
                considered = Some(entry);
            }
        }
        Ok(page)
    }

    fn is_full(&self, more: &Stored) -> bool {
        !self.documents.is_empty() && self.bytes + more.document.len() > PAGE_BYTES
    }

    fn add(&mut self, stream: StreamName, stored: Stored) {
        self.bytes += stored.document.len();
        self.shows.push((stream, stored.version));
        self.documents.push(stored.document);
    }

    pub fn reply(self) -> Answered {
        #[derive(Serialize)]
        struct Body<'a> {
            items: Vec<&'a RawValue>,
            next: Option<String>,
        }
        let items: Result<Vec<&RawValue>, _> =
            self.documents.iter().map(|document| serde_json::from_slice(document)).collect();
        let answer = reply(&Body { items: items.map_err(broken)?, next: self.next })?;
        Ok(answer.map(|answer| Reply { shows: self.shows, ..answer }))
    }
}

fn stream(entry: &str) -> Result<StreamName, Error> {
    let id = behind(names::TIME, entry)?
        .parse()
        .map_err(|_| Error::Broken(format!("{entry:?} is stored in a list of orders")))?;
    Ok(StreamName::new(OrderAggregate::CATEGORY, id))
}

fn broken(error: serde_json::Error) -> Error {
    Error::Broken(format!("a stored view can't be read: {error}"))
}
