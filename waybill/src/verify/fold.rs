//! The log, folded.

use std::collections::BTreeMap;

use indicatif::ProgressBar;
use kernel::log::{Position, Recorded, StreamName, Version};
use kernel::projection::{Change, ErasedProjection as _, JsonProjection};
use kernel::{Failure, Result};
use orders::OrderProjection;
use serde::Deserialize as _;
use serde_json::Value;
use shared::http::consistency_token::FeedCursor;
use shared::messaging::cloud_event::CloudEvent;

use crate::client::Client;
use crate::progress;

/// All events by stream, and what is irregular about the log itself.
#[derive(Debug)]
pub struct Folded {
    /// How far it is.
    pub bar: ProgressBar,
    pub commits: usize,
    pub streams: BTreeMap<StreamName, Vec<Recorded>>,
    pub irregular: Vec<String>,
    /// Whether the feed ended below the head: a position there is not filled yet.
    pub at_hole: bool,
    /// Streams of which views end before an event that can't be applied, and its version.
    parked: Parked,
    next: Option<String>,
    last: (i64, u32),
}

/// Streams that are known to be parked, each with the version that can't be applied.
pub type Parked = BTreeMap<StreamName, Version>;

impl Folded {
    pub fn but(parked: &Parked) -> Self {
        Self {
            parked: parked.clone(),
            bar: ProgressBar::hidden(),
            commits: 0,
            streams: BTreeMap::new(),
            irregular: vec![],
            at_hole: false,
            next: None,
            last: (0, 0),
        }
    }

    pub fn with_progress() -> Self {
        Self { bar: progress::bar(0), ..Self::but(&Parked::new()) }
    }

    /// Reads what was appended since. Getting to the head shows that no position is missing:
    /// the feed stops at a hole.
    pub async fn read_on(&mut self, commands: &Client) -> Result<()> {
        loop {
            let after = self.next.clone().unwrap_or_else(|| "0".to_owned());
            let page = commands.get(&format!("/events?limit=1000&after={after}")).await?;
            let events = Vec::<CloudEvent<'_>>::deserialize(&page["events"])
                .map_err(|error| Failure::permanent("reading the feed", error))?;
            let empty = events.is_empty();
            for event in events {
                self.add(
                    event
                        .into_recorded()
                        .map_err(|why| Failure::permanent("reading the feed", why))?,
                );
            }
            let next = page["next"].as_str().map(str::to_owned);
            self.show(&page, next.as_deref());
            if empty && next == self.next {
                let reached = next.as_deref().and_then(position);
                self.at_hole = reached < page["head"].as_i64();
                return Ok(());
            }
            self.next = next;
        }
    }

    fn show(&self, page: &Value, next: Option<&str>) {
        let number = |position: Option<Position>| position.and_then(|it| u64::try_from(it).ok());
        self.bar.set_message("positions read");
        self.bar.set_length(number(page["head"].as_i64()).unwrap_or(0));
        self.bar.set_position(number(next.and_then(position)).unwrap_or(0));
    }

    fn add(&mut self, event: Recorded) {
        let (position, index) = self.last;
        let follows = match event.position == position {
            true => event.index == index + 1,
            false => event.position > position && event.index == 0,
        };
        if !follows {
            let what = format!(
                "event {} of the feed follows {position}.{index}, at {}.{}",
                event.event.id, event.position, event.index
            );
            self.irregular.push(what);
        }
        self.last = (event.position, event.index);
        self.commits += usize::from(event.index == 0);
        let events = self.streams.entry(event.stream.clone()).or_default();
        let expected = events.last().map_or(1, |last| last.version + 1);
        if event.version != expected {
            self.irregular.push(format!(
                "{} has version {} where {expected} follows",
                event.stream, event.version
            ));
        }
        events.push(event);
    }

    /// The stream's last version in the log, or the last one before it is parked.
    pub fn version(&self, stream: &StreamName) -> Version {
        let last = self.streams.get(stream).and_then(|events| events.last());
        last.map_or(0, |last| last.version).min(self.limit(stream))
    }

    fn limit(&self, stream: &StreamName) -> Version {
        self.parked.get(stream).map_or(Version::MAX, |version| version - 1)
    }

    /// The view of a stream at a version, from nothing.
    pub fn change(
        &self,
        stream: &StreamName,
        version: Version,
    ) -> Option<std::result::Result<Change, String>> {
        let (events, version) = (self.streams.get(stream)?, version.min(self.limit(stream)));
        let until: Vec<Recorded> =
            events.iter().take_while(|event| event.version <= version).cloned().collect();
        Some(JsonProjection(OrderProjection).project(None, &until).map_err(|error| error.0))
    }

    pub fn view(
        &self,
        stream: &StreamName,
        version: Version,
    ) -> Option<std::result::Result<Value, String>> {
        let change = self.change(stream, version)?;
        Some(
            change.and_then(|change| {
                serde_json::from_slice(&change.document).map_err(|e| e.to_string())
            }),
        )
    }
}

/// The position in a cursor of the feed.
pub fn position(cursor: &str) -> Option<Position> {
    FeedCursor::parse(cursor).map(|cursor| cursor.position)
}
