//! How reads are answered.

use std::collections::BTreeMap;
use std::ops::Bound;

use kernel::log::StreamName;
use kernel::projection::Stored;
use kernel::views::{Answer, List, Parked, Read, VIEWS_BYTES};

use super::Views;
use super::view::View;
use crate::event_store::READ_BYTES;
use crate::view_store::{MAX_NOTES, ParkedPage};

impl Views {
    pub fn answer(&self, read: &Read) -> Answer {
        match read {
            Read::Views(streams) => Answer::Views(self.first(streams)),
            Read::Versions(streams) => {
                Answer::Versions(streams.iter().map(|stream| self.version(stream)).collect())
            }
            Read::Parked(streams) => Answer::Parked(
                streams.iter().map(|stream| self.parked.get(stream).cloned()).collect(),
            ),
            Read::Records(names) => {
                Answer::Records(names.iter().map(|name| self.record(name)).collect())
            }
            Read::FieldCounts(names) => {
                Answer::FieldCounts(names.iter().map(|name| self.field_count(name)).collect())
            }
            Read::List(list) => Answer::List(self.part(list)),
            Read::Count(index) => {
                Answer::Count(self.lists.get(index).map_or(0, |list| list.len() as u64))
            }
        }
    }

    /// The views of as many of these streams as one read returns.
    pub fn first<'a>(
        &self,
        streams: impl IntoIterator<Item = &'a StreamName>,
    ) -> Vec<Option<Stored>> {
        let (mut found, mut bytes) = (vec![], 0);
        for stream in streams {
            let view = self.views.get(stream).map(View::stored);
            bytes += view.as_ref().map_or(0, |view| view.document.len());
            if !found.is_empty() && bytes > VIEWS_BYTES {
                break;
            }
            found.push(view);
        }
        found
    }

    pub fn notes(&self, after: Option<&StreamName>, limit: usize) -> ParkedPage {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut page = ParkedPage { total: self.parked.len() as u64, ..ParkedPage::default() };
        let mut bytes = 0;
        for note in self.parked.range::<StreamName, _>((from, Bound::Unbounded)).map(|(_, it)| it) {
            bytes += size_of::<Parked>() + note.stream.as_str().len() + note.reason.len();
            let is_full = page.notes.len() >= limit.clamp(1, MAX_NOTES);
            if is_full || (!page.notes.is_empty() && bytes > READ_BYTES) {
                page.more = true;
                break;
            }
            page.notes.push(note.clone());
        }
        page
    }

    fn record(&self, name: &str) -> BTreeMap<String, String> {
        let Some(record) = self.records.get(name) else { return BTreeMap::new() };
        let sums = record.sums.iter().map(|(field, sum)| (field.clone(), sum.to_string()));
        let texts = record.texts.iter().map(|(field, text)| (field.clone(), text.clone()));
        sums.chain(texts).collect()
    }

    fn field_count(&self, name: &str) -> usize {
        self.records.get(name).map_or(0, |record| record.sums.len() + record.texts.len())
    }

    fn part(&self, list: &List) -> Vec<String> {
        let Some(entries) = self.lists.get(&list.index) else { return vec![] };
        if crossed(&list.from, &list.to) {
            return vec![];
        }
        let part = entries.range((list.from.clone(), list.to.clone()));
        match list.descending {
            true => part.rev().take(list.limit).cloned().collect(),
            false => part.take(list.limit).cloned().collect(),
        }
    }
}

/// Whether nothing can lie between the bounds. (`BTreeSet::range` panics on those.)
fn crossed(from: &Bound<String>, to: &Bound<String>) -> bool {
    match (from, to) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (
            Bound::Included(from) | Bound::Excluded(from),
            Bound::Included(to) | Bound::Excluded(to),
        ) => from >= to,
    }
}
