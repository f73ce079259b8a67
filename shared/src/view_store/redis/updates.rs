//! What happens to the views, read from a capped stream by one blocking read at a time, on a
//! connection of its own.

use std::time::Duration;

use async_trait::async_trait;
use kernel::Result;
use kernel::log::StreamName;
use redis::aio::{ConnectionManager, MultiplexedConnection};
use redis::streams::{StreamId, StreamRangeReply, StreamReadReply};
use redis::{AsyncConnectionConfig, Client};

use super::failure;
use crate::view_store::updates::Latest;
use crate::view_store::{Place, Update, Updates};

/// Longest wait of one read, in milliseconds.
const BLOCK_MILLIS: u64 = 1_000;
/// Longest time without an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
const PAGE: usize = 1_000;
/// Entries that are read again at a time. An entry has up to 128 streams, some 10 KiB with traces; a
/// reply holds up the queries, which use the same connection.
const PAGE_AGAIN: usize = 200;
/// More than the stream keeps: it grows faster than it is read.
const MAX_PAGES_AGAIN: usize = 100;
const WHAT: &str = "following the views";

pub struct Reader {
    connection: MultiplexedConnection,
    key: String,
    last: Place,
}

impl Reader {
    /// Reads what comes from now on.
    pub async fn open(client: &Client, key: String) -> Result<Self> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER_TIMEOUT))
            .set_response_timeout(Some(ANSWER_TIMEOUT));
        let connection = client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = connection.await.map_err(failure(WHAT))?;
        let mut newest = redis::cmd("XREVRANGE");
        newest.arg(&key).arg("+").arg("-").arg("COUNT").arg(1);
        let newest: StreamRangeReply =
            newest.query_async(&mut connection).await.map_err(failure(WHAT))?;
        let last = newest.ids.first().map(place).unwrap_or_default();
        Ok(Self { connection, key, last })
    }

    /// Whether the last entry that was read is there still. Then all behind it are, as the stream
    /// is cut at its oldest end.
    async fn is_last_kept(&mut self) -> Result<bool> {
        let last = self.last.to_string();
        let mut range = redis::cmd("XRANGE");
        range.arg(&self.key).arg(&last).arg(&last).arg("COUNT").arg(1);
        let found: StreamRangeReply =
            range.query_async(&mut self.connection).await.map_err(failure(WHAT))?;
        Ok(!found.ids.is_empty())
    }
}

#[async_trait]
impl Updates for Reader {
    async fn next(&mut self) -> Result<Vec<Update>> {
        let mut read = redis::cmd("XREAD");
        read.arg("COUNT").arg(PAGE).arg("BLOCK").arg(BLOCK_MILLIS);
        read.arg("STREAMS").arg(&self.key).arg(self.last.to_string());
        let reply: Option<StreamReadReply> =
            read.query_async(&mut self.connection).await.map_err(failure(WHAT))?;
        let entries = reply.into_iter().flat_map(|reply| reply.keys).flat_map(|key| key.ids);
        let (entries, mut updates) = (Vec::from_iter(entries), vec![]);
        // Where the stream was cut behind the last one, more are left of it than a page holds. (A reader
        // that began before there was any has no last one. Where its first page is full it says so though
        // nothing may have been cut: its listeners look once more than they have to, and miss nothing.)
        if entries.len() >= PAGE && !self.is_last_kept().await? {
            updates.push(Update::Missed);
        }
        for entry in &entries {
            add(entry, &mut updates);
            self.last = place(entry);
        }
        Ok(updates)
    }

    fn place(&self) -> Place {
        self.last
    }
}

/// What is behind `after`, while the entry of that place is there still: then nothing behind it is
/// gone either, as the stream is cut at its oldest end. So each page begins with the last entry of the
/// page before.
pub async fn since(
    connection: &mut ConnectionManager,
    key: &str,
    after: Place,
    max_streams: usize,
) -> Result<Option<Vec<(Place, Update)>>> {
    let (mut latest, mut last) = (Latest::of(max_streams), after);
    for _ in 0..MAX_PAGES_AGAIN {
        let mut range = redis::cmd("XRANGE");
        range.arg(key).arg(last.to_string()).arg("+").arg("COUNT").arg(PAGE_AGAIN + 1);
        let found: StreamRangeReply = range.query_async(connection).await.map_err(failure(WHAT))?;
        let Some((first, behind)) = found.ids.split_first() else {
            let none_yet = last == Place::default();
            return Ok(none_yet.then(|| latest.in_order()));
        };
        if place(first) != last {
            return Ok(None);
        }
        for entry in behind {
            last = place(entry);
            let mut updates = vec![];
            add(entry, &mut updates);
            if !updates.into_iter().all(|update| latest.add(last, update)) {
                return Ok(None);
            }
        }
        if behind.len() < PAGE_AGAIN {
            return Ok(Some(latest.in_order()));
        }
    }
    Ok(None)
}

/// Redis writes the ids of entries as places are written.
fn place(entry: &StreamId) -> Place {
    entry.id.parse().unwrap_or_default()
}

/// An entry: `a`, streams and the versions that their views are at, each with the trace of its change
/// behind a semicolon where there is one; `s` and `v`, one of those; `p`, a
/// stream that is parked; `c`, the checkpoint.
fn add(entry: &StreamId, updates: &mut Vec<Update>) {
    if let Some(applied) = entry.get::<String>("a") {
        let mut words = applied.split(' ');
        while let (Some(stream), Some(version)) = (words.next(), words.next()) {
            let (version, trace) = match version.split_once(';') {
                Some((version, trace)) => (version, Some(trace.to_owned())),
                None => (version, None),
            };
            let stream = || StreamName::stored(stream);
            updates.extend(trace.map(|trace| Update::Traced(stream(), trace)));
            let version = version.parse();
            updates.push(version.map_or(Update::Missed, |at| Update::Applied(stream(), at)));
        }
        return;
    }
    let stream = |field| entry.get::<String>(field).map(StreamName::stored);
    if let (Some(stream), Some(version)) = (stream("s"), entry.get("v")) {
        return updates.push(Update::Applied(stream, version));
    }
    let parked = stream("p").map(Update::Parked);
    let moved = || entry.get("c").map(Update::Checkpoint);
    updates.push(parked.or_else(moved).unwrap_or(Update::Missed));
}
