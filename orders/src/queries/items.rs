//! A page of items that are made of records: these are read a few at a time, until the page is full.

use std::ops::Range;

use kernel::query::{Error, Views};
use kernel::views::Batch;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{Answered, Items, PAGE_BYTES, reply};

/// Fields of records that are read at a time. No record of a list has as many: it has a sum for each
/// currency, which are 26^3 at most, and a few fields beside them.
const FIELDS: usize = 20_000;

/// The records in parts, each to be read at once: it has up to `FIELDS` fields, or is a single record.
pub async fn parts(views: &dyn Views, records: &[String]) -> Result<Vec<Range<usize>>, Error> {
    if records.is_empty() {
        return Ok(vec![]);
    }
    let mut batch = Batch::new();
    let counts = batch.field_counts(records.to_vec());
    let counts = views.read(&batch).await?.take(counts)?;
    Ok(divided(&counts))
}

fn divided(counts: &[usize]) -> Vec<Range<usize>> {
    let (mut parts, mut start, mut fields) = (vec![], 0_usize, 0_usize);
    for (at, count) in counts.iter().copied().enumerate() {
        if at > start && fields + count > FIELDS {
            parts.push(start..at);
            (start, fields) = (at, 0);
        }
        fields += count;
    }
    parts.push(start..counts.len());
    parts
}

/// A page while it is made. An item is never larger than a page: that of all currencies, with the longest
/// sums, has half a MiB.
pub struct Page {
    items: Vec<Box<RawValue>>,
    bytes: usize,
    /// The last entry that was shown, or has nothing to show.
    reached: Option<String>,
    next: Option<String>,
}

impl Page {
    /// A page of entries behind which the list goes on at `next`.
    pub fn before(next: Option<String>) -> Self {
        Self { items: vec![], bytes: 0, reached: None, next }
    }

    /// Adds what these entries stand for, `None` where there is nothing to show. False once the page is
    /// full: the next one goes on behind the last entry that this one has reached.
    pub fn add(
        &mut self,
        entries: &[String],
        items: &[Option<impl Serialize>],
    ) -> Result<bool, Error> {
        for (entry, item) in entries.iter().zip(items) {
            if let Some(item) = item {
                let item = to_raw_value(item).map_err(|error| Error::Broken(error.to_string()))?;
                let bytes = item.get().len() + 1; // A comma stands between items.
                if !self.items.is_empty() && self.bytes + bytes > PAGE_BYTES {
                    self.next = self.reached.take();
                    return Ok(false);
                }
                self.bytes += bytes;
                self.items.push(item);
            }
            self.reached = Some(entry.clone());
        }
        Ok(true)
    }

    pub fn reply(self) -> Answered {
        reply(&Items { items: self.items, next: self.next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_so_many_at_a_time_as_have_few_fields() {
        for (counts, expected) in [
            (&[FIELDS][..], &[1][..]),
            (&[3, FIELDS - 3], &[2]),
            (&[3, FIELDS - 2, 2, 1], &[1, 2, 1]),
            (&[FIELDS + 1, FIELDS + 1, 0], &[1, 1, 1]),
            (&[0, FIELDS, 0, 0, 1], &[4, 1]),
        ] {
            let parts = divided(counts);
            let lengths: Vec<usize> = parts.iter().map(Range::len).collect();
            assert_eq!(lengths, expected, "{counts:?}");
            let all: Vec<usize> = parts.into_iter().flatten().collect();
            assert_eq!(all, (0..counts.len()).collect::<Vec<_>>(), "each once");
        }
    }

    #[test]
    fn a_page_that_is_full_goes_on_behind_the_last_entry_that_it_has_reached() {
        let entries = ["a", "b", "c", "d"].map(str::to_owned);
        let (large, half) = ("x".repeat(PAGE_BYTES * 2), "x".repeat(PAGE_BYTES / 2));
        for (items, fit, next) in [
            ([Some(&half), None, None, None], true, Some("z")),
            ([Some(&half), None, Some(&half), None], false, Some("b")),
            ([None, Some(&large), None, None], true, Some("z")),
            ([None, Some(&large), None, Some(&half)], false, Some("c")),
        ] {
            let mut page = Page::before(Some("z".to_owned()));
            assert_eq!(page.add(&entries, &items).ok(), Some(fit));
            assert_eq!((page.items.len(), page.next.as_deref()), (1, next));
        }
    }
}
