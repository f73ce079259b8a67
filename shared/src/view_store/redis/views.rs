//! Reads of views, bounded in bytes.
//!
//! Of several views each is asked for up to its share of the bytes that one read returns: small ones come
//! whole, in one round trip. Where one is larger than that, sizes are asked for, and then as many views
//! as fit. (A script could do that in one round trip, and would take Redis three times as long where all
//! are small.)

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

/// The views that these are the beginnings of; none where one of them may go on.
pub fn whole(beginnings: Vec<Option<Vec<u8>>>) -> Result<Option<Vec<Option<Stored>>>> {
    let share = share_of_each(beginnings.len());
    let goes_on = |view: &Option<Vec<u8>>| view.as_ref().is_some_and(|view| view.len() >= share);
    if beginnings.len() > 1 && beginnings.iter().any(goes_on) {
        return Ok(None);
    }
    // The beginning of what is not there is empty.
    let views = beginnings.into_iter().map(|view| view.filter(|view| !view.is_empty()));
    Ok(Some(views.map(|view| view.map(parse_view).transpose()).collect::<Result<_>>()?))
}

impl Redis {
    /// The views of the first of these keys: of as many as one read returns, and of one at least.
    pub(super) async fn views_by_size(
        &self,
        what: &str,
        keys: &[String],
    ) -> Result<Vec<Option<Stored>>> {
        let mut ask = Pipeline::new();
        for key in keys {
            ask.strlen(key);
        }
        let sizes: Vec<usize> = self.run(what, &ask).await?;
        let mut bytes = 0;
        let fits = |size: &&usize| {
            bytes += **size;
            bytes <= VIEWS_BYTES
        };
        let count = sizes.iter().take_while(fits).count().max(1);
        let mut ask = Pipeline::new();
        ask.mget(&keys[..count.min(keys.len())]);
        let (found,): (Vec<Option<Vec<u8>>>,) = self.run(what, &ask).await?;
        found.into_iter().map(|view| view.map(parse_view).transpose()).collect()
    }

    /// Adds the answers that are missing: views that are too large for their shares.
    pub(super) async fn complete(
        &self,
        what: &str,
        keys: &GenerationKeys,
        batch: &Batch,
        found: Vec<Option<Answer>>,
    ) -> Result<Vec<Answer>> {
        let mut answers = Vec::with_capacity(found.len());
        for (read, answer) in batch.reads().iter().zip(found) {
            answers.push(match (answer, read) {
                (Some(answer), _) => answer,
                (None, Read::Views(streams)) => {
                    let views: Vec<String> = streams.iter().map(|it| keys.view(it)).collect();
                    Answer::Views(self.views_by_size(what, &views).await?)
                }
                (None, _) => return Err(Failure::permanent(what, "an answer is missing")),
            });
        }
        Ok(answers)
    }
}
