//! Reads of views, bounded in bytes.
//!
//! Of several views each is asked for up to its share of the bytes that one read returns: small ones come
//! whole, in one round trip. Of those that are larger, sizes are asked for, and then as many as fit. (A
//! script could do that in one round trip, and would take Redis three times as long where all are small.)

use kernel::log::StreamName;
use kernel::projection::Stored;
use kernel::views::{Answer, Batch, Read, VIEWS_BYTES};
use kernel::{Failure, Result};
use redis::Pipeline;

use super::Redis;
use super::commands::parse_view;
use super::keys::GenerationKeys;

/// Bytes up to which each of so many views is asked for.
fn share_of_each(views: usize) -> usize {
    (VIEWS_BYTES / views.max(1)).max(1)
}

/// Asks for the beginnings of views; for all of it where there is one view alone.
pub fn ask<'a>(
    pipeline: &mut Pipeline,
    keys: &GenerationKeys,
    streams: impl ExactSizeIterator<Item = &'a StreamName>,
) {
    let views = streams.len();
    let last_byte = isize::try_from(share_of_each(views) - 1).unwrap_or(isize::MAX);
    for stream in streams {
        if views == 1 {
            pipeline.get(keys.view(stream));
        } else {
            pipeline.getrange(keys.view(stream), 0, last_byte);
        }
    }
}

/// The first bytes of views, up to the share of each; empty, or none, where there is no view.
pub type Beginnings = Vec<Option<Vec<u8>>>;
/// What was asked for, or the beginnings of views of which some may go on.
pub type Whole<T> = std::result::Result<T, Beginnings>;

/// Which of them may go on.
fn cut(beginnings: &[Option<Vec<u8>>]) -> Vec<usize> {
    let share = share_of_each(beginnings.len());
    let goes_on = |view: &Option<Vec<u8>>| view.as_ref().is_some_and(|view| view.len() >= share);
    match beginnings {
        [_] => vec![], // It was asked for all of it.
        _ => (0..beginnings.len()).filter(|at| goes_on(&beginnings[*at])).collect(),
    }
}

fn parse(views: Beginnings) -> Result<Vec<Option<Stored>>> {
    // The beginning of what is not there is empty.
    let views = views.into_iter().map(|view| view.filter(|view| !view.is_empty()));
    views.map(|view| view.map(parse_view).transpose()).collect()
}

/// The views that these are the beginnings of, where none of them may go on.
pub fn whole(beginnings: Beginnings) -> Result<Whole<Vec<Option<Stored>>>> {
    match cut(&beginnings).is_empty() {
        true => Ok(Ok(parse(beginnings)?)),
        false => Ok(Err(beginnings)),
    }
}

/// How many views of these sizes one read returns: one at least.
fn fitting(sizes: &[usize]) -> usize {
    let mut bytes = 0;
    let fits = |size: &&usize| {
        bytes += **size;
        bytes <= VIEWS_BYTES
    };
    sizes.iter().take_while(fits).count().max(1)
}

impl Redis {
    /// The views of the first of these keys, which begin so: of as many as one read returns, and of one at
    /// least. Only those that may go on are asked for again.
    pub(super) async fn views_by_size(
        &self,
        what: &str,
        keys: &[String],
        mut found: Beginnings,
    ) -> Result<Vec<Option<Stored>>> {
        let mut cut = cut(&found);
        let mut ask = Pipeline::new();
        for at in &cut {
            ask.strlen(&keys[*at]);
        }
        let whole: Vec<usize> = self.run(what, &ask).await?;
        let mut sizes: Vec<usize> =
            found.iter().map(|view| view.as_ref().map_or(0, Vec::len)).collect();
        for (at, size) in cut.iter().zip(whole) {
            sizes[*at] = size;
        }
        let count = fitting(&sizes);
        found.truncate(count);
        cut.retain(|at| *at < count);
        if !cut.is_empty() {
            let mut ask = Pipeline::new();
            ask.mget(cut.iter().map(|at| &keys[*at]).collect::<Vec<_>>());
            let (views,): (Beginnings,) = self.run(what, &ask).await?;
            for (at, view) in cut.into_iter().zip(views) {
                found[at] = view;
            }
        }
        parse(found)
    }

    /// Adds the answers that are missing: views that are too large for their shares.
    pub(super) async fn complete(
        &self,
        what: &str,
        keys: &GenerationKeys,
        batch: &Batch,
        found: Vec<Whole<Answer>>,
    ) -> Result<Vec<Answer>> {
        let mut answers = Vec::with_capacity(found.len());
        for (read, answer) in batch.reads().iter().zip(found) {
            answers.push(match (answer, read) {
                (Ok(answer), _) => answer,
                (Err(beginnings), Read::Views(streams)) => {
                    let views: Vec<String> = streams.iter().map(|it| keys.view(it)).collect();
                    Answer::Views(self.views_by_size(what, &views, beginnings).await?)
                }
                (Err(_), _) => return Err(Failure::permanent(what, "an answer is missing")),
            });
        }
        Ok(answers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_views_that_may_go_on_are_asked_for_again() {
        let share = share_of_each(256);
        let mut found = vec![Some(vec![b'x'; share - 1]); 256];
        (found[1], found[2]) = (None, Some(vec![]));
        assert!(cut(&found).is_empty());
        found[7] = Some(vec![b'x'; share]);
        assert_eq!(cut(&found), [7]);
        assert!(whole(found).unwrap().is_err(), "what was found is kept");
        assert!(cut(&[Some(vec![b'x'; 2 * VIEWS_BYTES])]).is_empty(), "one alone is whole");
    }

    #[test]
    fn as_many_views_as_fit_are_returned_and_one_at_least() {
        assert_eq!(fitting(&[VIEWS_BYTES, 0, 1]), 2);
        assert_eq!(fitting(&[VIEWS_BYTES + 1, 0]), 1);
        assert_eq!(fitting(&[1; 256]), 256);
    }
}
