//! What a domain tells the read side: how events become views.
//!
//! A view is kept for each stream. Everything that spans streams (sums, rankings, lists) is the
//! sum over all streams of the *facts* that each view states. So a change is a difference of
//! facts, it can be applied in any order between streams, and a pure fold of the log gives the
//! same views as any number of workers.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::log::{Position, Recorded, StreamName, Version};

/// A view of each stream, and what it states for all.
pub trait Projection: Send + Sync + 'static {
    /// What is kept for a stream, stored as JSON.
    type View: Serialize + DeserializeOwned;

    /// Raise it whenever `fold`, `facts` or `View` change: views are rebuilt under the new one.
    const VERSION: u32;

    /// The view after the event; `None` is the view of a stream without events. `texts` takes what the
    /// event says for text fields of records.
    fn fold(
        view: Option<Self::View>,
        event: &Recorded,
        texts: &mut Texts,
    ) -> Result<Self::View, Unprojectable>;

    /// What a view in this state adds to sums and lists.
    fn facts(view: &Self::View) -> Facts;
}

/// An event that no view can be made of; its stream is parked with this reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unprojectable(pub String);

/// A field of a record of sums and texts, such as `revenue:EUR` of `day:2026-01-02`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldKey {
    /// The name of the record.
    pub record: String,
    /// The name of the field in it.
    pub field: String,
}

impl FieldKey {
    /// The field of this name in the record of this name.
    pub fn new(record: impl Into<String>, field: impl Into<String>) -> Self {
        Self { record: record.into(), field: field.into() }
    }
}

/// Keeps a list sorted by the value of a field: its entries are `ranked(value, member)`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// The name of the list.
    pub index: String,
    /// What the list shows for the field, such as a customer's id.
    pub member: String,
    /// Whether a value of 0 is listed.
    pub zeros: bool,
}

/// Digits in front of a ranked entry: those of the greatest sum.
pub const RANK: usize = 19;

/// A list's entry for a value of at least 0: its digits, then the member. Sorts by value.
pub fn ranked(value: i64, member: &str) -> String {
    format!("{value:0RANK$}{member}")
}

/// Texts for fields of records. A field keeps the greatest of all its texts, by bytes, for ever.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts(BTreeMap<FieldKey, String>);

impl Texts {
    /// Offers a text for a field.
    pub fn offer(&mut self, key: FieldKey, text: String) {
        let kept = self.0.entry(key).or_default();
        if text > *kept {
            *kept = text;
        }
    }
}

/// What one view states.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    sums: BTreeMap<FieldKey, i64>,
    ranks: BTreeMap<FieldKey, Rank>,
    entries: BTreeSet<(String, String)>,
}

impl Facts {
    /// Adds `value` to what this view states for the field.
    pub fn add(&mut self, key: FieldKey, value: i64) {
        *self.sums.entry(key).or_default() += value;
    }

    /// Adds to a field that a list is sorted by. The value of such a field may never become negative.
    pub fn add_ranked(&mut self, key: FieldKey, value: i64, rank: Rank) {
        self.ranks.insert(key.clone(), rank);
        self.add(key, value);
    }

    /// The sums that were stated, by field.
    pub fn sums(&self) -> impl Iterator<Item = (&FieldKey, i64)> {
        self.sums.iter().map(|(key, value)| (key, *value))
    }

    /// States that the list `index` contains `member`.
    pub fn enter(&mut self, index: impl Into<String>, member: impl Into<String>) {
        self.entries.insert((index.into(), member.into()));
    }
}

/// All that one batch of events does to the view of one stream, applied at once or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The stream of the view.
    pub stream: StreamName,
    /// The version that was folded from; 0 without a view.
    pub base: Version,
    /// The version of the last event.
    pub to: Version,
    /// The position of the last event.
    pub position: Position,
    /// Of the request that led to the last event, where its trace is recorded (W3C Trace Context).
    pub traceparent: Option<String>,
    /// The view's document, JSON.
    pub document: Vec<u8>,
    /// What is added to fields of records.
    pub sums: Vec<Sum>,
    /// Entries that come into lists: (list, entry).
    pub enter: Vec<(String, String)>,
    /// Entries that leave lists: (list, entry).
    pub leave: Vec<(String, String)>,
    /// Texts for fields of records; a field keeps the greatest by bytes.
    pub greatest_texts: Vec<(FieldKey, String)>,
}

/// A number to add to a field of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    /// The field.
    pub key: FieldKey,
    /// What is added; may be negative, and 0 where the field only enters a list.
    pub delta: i64,
    /// The list that is kept sorted by the field, if there is one.
    pub rank: Option<Rank>,
}

/// A stored view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Version of the last event in it.
    pub version: Version,
    /// The view as JSON.
    pub document: Vec<u8>,
}

/// A projection without its type of view: views are JSON documents here, as the pipeline sees them.
pub trait ErasedProjection: Send + Sync + 'static {
    /// Version of the projection: see `Projection::VERSION`.
    fn version(&self) -> u32;

    /// Folds `events` (of one stream, following `stored` without a gap) into a change.
    fn project(
        &self,
        stored: Option<&Stored>,
        events: &[Recorded],
    ) -> Result<Change, Unprojectable>;
}

/// A projection whose views are read from JSON and written as JSON.
#[derive(Debug, Clone, Copy)]
pub struct JsonProjection<P>(pub P);

impl<P: Projection> ErasedProjection for JsonProjection<P> {
    fn version(&self) -> u32 {
        P::VERSION
    }

    fn project(
        &self,
        stored: Option<&Stored>,
        events: &[Recorded],
    ) -> Result<Change, Unprojectable> {
        let (Some(first), Some(last)) = (events.first(), events.last()) else {
            return Err(Unprojectable("there is no event to project".to_owned()));
        };
        let mut view: Option<P::View> = match stored {
            Some(stored) => Some(parse(&stored.document)?),
            None => None,
        };
        let before = view.as_ref().map(P::facts).unwrap_or_default();
        let mut texts = Texts::default();
        for event in events {
            view = Some(P::fold(view.take(), event, &mut texts)?);
        }
        let view = view.ok_or_else(|| Unprojectable("the fold left no view".to_owned()))?;
        let (sums, enter, leave) = difference(before, P::facts(&view));
        Ok(Change {
            traceparent: None,
            stream: first.stream.clone(),
            base: stored.map_or(0, |stored| stored.version),
            to: last.version,
            position: last.position,
            document: serde_json::to_vec(&view).map_err(|e| Unprojectable(e.to_string()))?,
            sums,
            enter,
            leave,
            greatest_texts: texts.0.into_iter().collect(),
        })
    }
}

fn parse<V: DeserializeOwned>(document: &[u8]) -> Result<V, Unprojectable> {
    serde_json::from_slice(document)
        .map_err(|error| Unprojectable(format!("the stored view can't be read: {error}")))
}

type Entries = Vec<(String, String)>;

/// What leads from the one set of facts to the other. A field that is stated for the first time is
/// part of it even with 0, so that its rank is listed.
fn difference(before: Facts, after: Facts) -> (Vec<Sum>, Entries, Entries) {
    let Facts { sums: mut old, ranks: mut old_ranks, entries: old_entries } = before;
    let Facts { sums: new, ranks: mut new_ranks, entries: new_entries } = after;
    let mut sums = vec![];
    for (key, value) in new {
        let was = old.remove(&key);
        let rank = new_ranks.remove(&key);
        let delta = value - was.unwrap_or(0);
        if delta != 0 || (was.is_none() && rank.is_some()) {
            sums.push(Sum { key, delta, rank });
        }
    }
    for (key, value) in old.into_iter().filter(|(_, value)| *value != 0) {
        let rank = old_ranks.remove(&key);
        sums.push(Sum { delta: -value, rank, key });
    }
    let leave = old_entries.difference(&new_entries).cloned().collect();
    let enter = new_entries.difference(&old_entries).cloned().collect();
    (sums, enter, leave)
}
