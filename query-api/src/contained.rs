//! Whether the views contain the streams that a token names.

use kernel::log::{StreamName, Version};
use kernel::query::{Queries, Views as _};
use kernel::views::Batch;
use shared::http::problem::Problem;
use shared::view_store::GenerationViews;

use crate::places::PlacedViews;
use crate::unanswered::Unanswered;

/// Whether each has reached its version. One that is parked below it never will, which is a problem.
pub async fn contains_streams(
    views: &GenerationViews<'_>,
    streams: &[(StreamName, Version)],
) -> Result<bool, Unanswered> {
    let names: Vec<StreamName> = streams.iter().map(|(stream, _)| stream.clone()).collect();
    let mut batch = Batch::new();
    let (stored, parked) = (batch.versions(names.clone()), batch.parked(names));
    let mut answers = views.read(&batch).await?;
    let (stored, parked) = (answers.take(stored)?, answers.take(parked)?);
    let mut all = true;
    for (((stream, wanted), version), note) in streams.iter().zip(stored).zip(parked) {
        if version >= *wanted {
            continue;
        }
        if let Some(note) = note {
            let detail = format!(
                "The view of {stream} ends before version {}, as that can't be applied: {}.",
                note.version, note.reason
            );
            return Err(Problem::stream_parked(detail).into());
        }
        all = false;
    }
    Ok(all)
}

/// The same for a client that is bound to one owner: what belongs to others is as if it was not there, so
/// that no wait tells anything of it. Whose they are is in the documents: these are read only once all have
/// reached their versions, and where there are several, in a place.
pub async fn contains_own(
    views: &PlacedViews<'_>,
    queries: &dyn Queries,
    streams: &[(StreamName, Version)],
    owner: &str,
) -> Result<bool, Unanswered> {
    let mut batch = Batch::new();
    let versions = batch.versions(streams.iter().map(|(stream, _)| stream.clone()).collect());
    let versions = views.read(&batch).await?.take(versions)?;
    if streams.iter().zip(versions).any(|((_, wanted), version)| version < *wanted) {
        return Ok(false);
    }
    let mut rest = streams;
    while !rest.is_empty() {
        let mut batch = Batch::new();
        let found = batch.views(rest.iter().map(|(stream, _)| stream.clone()).collect());
        let read = views.read(&batch).await;
        if views.found_none() {
            // As if they were not there yet: another problem would tell that those of others are.
            return Ok(false);
        }
        let found = read?.take(found)?;
        let (part, behind) = rest.split_at(found.len().min(rest.len()));
        rest = behind;
        for ((_, wanted), stored) in part.iter().zip(found) {
            let Some(stored) = stored.filter(|stored| stored.version >= *wanted) else {
                return Ok(false);
            };
            if !queries.belongs_to(stored, owner)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
