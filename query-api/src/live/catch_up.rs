//! What a client missed between its last event and now.

use std::collections::HashMap;
use std::sync::Arc;

use kernel::Failure;
use kernel::live::Filter;
use kernel::log::StreamName;
use shared::service::log_sampler::{LineKind, is_written};
use shared::view_store::{Generation, Place, Update};
use tokio::sync::mpsc;

use super::EventId;
use super::budget::{Charge, Piece};
use super::hub::{Hub, Loaded, PAGE};
use super::share::Share;
use super::subscriber::Page;

/// Streams that may have changed meanwhile; a client that missed more reads afresh.
pub const MAX_STREAMS: usize = 20_000;
/// Pages that are loaded ahead of the client.
const AHEAD: usize = 2;

/// What a client missed, as it is sent. Where this ends without `End`, the rest can't be told.
#[derive(Debug)]
pub enum Missed {
    /// The next events.
    Events(Piece),
    /// That was all.
    End,
}

/// The streams that changed, each at the place of its latest change, in the order of these: so a
/// client that is cut off again resumes between any two. None where more than `most` have changed.
pub fn latest(updates: Vec<(Place, Update)>, most: usize) -> Option<Vec<(Place, StreamName)>> {
    let mut latest = HashMap::new();
    for (place, update) in updates {
        match update {
            Update::Applied(stream, _) => drop(latest.insert(stream, place)),
            Update::Missed => return None,
            Update::Checkpoint(_) | Update::Parked(_) | Update::Traced(..) => {}
        }
    }
    let mut latest: Vec<_> = latest.into_iter().map(|(stream, place)| (place, stream)).collect();
    latest.sort_unstable_by(|(a, x), (b, y)| (a, x.as_str()).cmp(&(b, y.as_str())));
    (latest.len() <= most).then_some(latest)
}

/// Counts what is kept of them until they are told; none where too much is kept for this client, or
/// for all.
pub fn charge(share: &Share, missed: &[(Place, StreamName)]) -> Option<Charge> {
    let bytes = |(_, stream): &(Place, StreamName)| {
        size_of::<(Place, StreamName)>() + stream.as_str().len()
    };
    share.missed.try_charge(missed.iter().map(bytes).sum())
}

/// Loads and sends them, as fast as the client takes them and as others leave it a turn. Ends when
/// the client is gone, or the service stops.
pub fn send(
    (hub, share): (Arc<Hub>, Arc<Share>),
    generation: Generation,
    (missed, charge): (Vec<(Place, StreamName)>, Charge),
    filter: Filter,
    with_views: bool,
) -> mpsc::Receiver<Missed> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let _charge = charge;
        let sent = send_all((&*hub, &*share), &generation, &missed, (&filter, with_views), &sender);
        hub.stop.run_until_cancelled(sent).await;
    });
    receiver
}

async fn send_all(
    (hub, share): (&Hub, &Share),
    generation: &Generation,
    missed: &[(Place, StreamName)],
    (filter, with_views): (&Filter, bool),
    sender: &mpsc::Sender<Missed>,
) {
    let mut rest = missed;
    while !rest.is_empty() {
        let page = rest.iter().take(PAGE);
        let streams: Vec<StreamName> = page.map(|(_, stream)| stream.clone()).collect();
        let turn = hub.turns.begin(share).await;
        if sender.is_closed() {
            return;
        }
        let Loaded { changed, streams } = match hub.load(generation, &streams).await {
            Ok(loaded) => loaded,
            Err(failure) => return tell_untold(&failure),
        };
        let (page, next) = rest.split_at(streams.min(rest.len()));
        rest = next;
        // Of several streams that changed in one entry the next page may hold more.
        let last = page.last().map_or(Place::default(), |(place, _)| *place);
        let goes_on = next.first().is_some_and(|(place, _)| *place == last);
        let id = EventId::new(generation, last);
        let piece = {
            let page = Page::new(&changed, last, (!goes_on).then_some(&id), &share.missed);
            page.fitting(filter, with_views)
        };
        drop((changed, turn));
        let Some(piece) = piece else { continue };
        if share.missed.is_exceeded() || sender.send(Missed::Events(piece)).await.is_err() {
            return;
        }
    }
    drop(sender.send(Missed::End).await);
}

/// Each client that comes back may bring this about.
fn tell_untold(failure: &Failure) {
    const UNTOLD: &str = "what a client missed can't be told";
    match is_written(&LineKind::warning(UNTOLD, &failure.to_string()), None) {
        true => tracing::warn!(%failure, "{UNTOLD}"),
        false => tracing::debug!(%failure, "{UNTOLD}"),
    }
}
