//! A page of whole orders: those that still are what was asked for, up to a size.

use std::borrow::Cow;

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

/// Documents that are asked for at a time. One read returns fewer of them where they are large.
const MAX_CHUNK: usize = 50;

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
            let chunk = rest.iter().take(MAX_CHUNK);
            let streams: Result<Vec<StreamName>, Error> =
                chunk.map(|entry| stream(entry)).collect();
            let streams = streams?;
            let stored = documents(views, streams.clone()).await?;
            let (chunk, after) = rest.split_at(stored.len().min(rest.len()));
            rest = after;
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
