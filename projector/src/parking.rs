//! Parking: a stream that can't be applied gets a note and stops; the rest goes on.

mod brake;

use std::collections::HashMap;
use std::sync::Arc;

use kernel::log::{StreamName, Version};
use kernel::views::{Batch, Parked};
use kernel::{Failure, Result, Timestamp};
use shared::view_store::{GenerationId, ViewStore};
use tokio::sync::Notify;

use self::brake::{Brake, MAX_PARKED};
use crate::metrics;

/// Written into each note: a stream that another build parked is tried again by this one.
const BUILD: &str = env!("CARGO_PKG_VERSION");
/// Characters kept of a reason: it quotes what was read.
const MAX_REASON_CHARS: usize = 500;

/// A version of a stream that can't be applied, and why.
#[derive(Debug, Clone)]
pub(crate) struct Poison {
    pub(crate) stream: StreamName,
    pub(crate) version: Version,
    pub(crate) why: String,
    /// The highest version at hand: events up to here are let go.
    pub(crate) let_go: Version,
}

/// A stream with a gap: events behind its view are at hand, but not the next one.
#[derive(Debug, Clone)]
pub(crate) struct GappedStream {
    pub(crate) name: StreamName,
    /// The version of its stored view.
    pub(crate) version: Version,
    /// The highest version at hand.
    pub(crate) highest: Version,
}

/// Writes and reads the notes of parked streams. All tasks of one worker share it.
pub struct Parking {
    views: Arc<dyn ViewStore>,
    /// The version of the projection, which the notes name.
    projection: u32,
    brake: Brake,
    resumed: Notify,
}

type Notes = HashMap<StreamName, Parked>;

impl Parking {
    /// For the notes in these views, of streams that the projection of this version can't apply.
    pub fn new(views: Arc<dyn ViewStore>, projection: u32) -> Self {
        Self { views, projection, brake: Brake::default(), resumed: Notify::new() }
    }

    /// Parks streams, in this order. Fails at the first one that the brake refuses; those before it
    /// are parked then. The brake does not count a stream that is parked already: here, or in the
    /// live generation at the same version.
    pub(crate) async fn park_all(
        &self,
        generation: &GenerationId,
        poisons: &[Poison],
    ) -> Result<()> {
        if poisons.is_empty() {
            return Ok(());
        }
        let streams: Vec<StreamName> = poisons.iter().map(|one| one.stream.clone()).collect();
        let here = self.notes(generation, streams.clone()).await?;
        let live = match self.views.live().await? {
            Some(live) if live.id != *generation => self.notes(&live.id, streams).await?,
            _ => Notes::new(),
        };
        for poison in poisons {
            let is_known = here.contains_key(&poison.stream)
                || live.get(&poison.stream).is_some_and(|note| note.version == poison.version);
            if !is_known && !self.brake.may_park() {
                let told = format!(
                    "{MAX_PARKED} streams were parked within a minute, the next for: {}",
                    poison.why
                );
                return Err(Failure::transient("applying events", told));
            }
            self.park(generation, poison).await?;
        }
        Ok(())
    }

    async fn park(&self, generation: &GenerationId, poison: &Poison) -> Result<()> {
        let Poison { stream, version, why, let_go } = poison;
        metrics::PARKED.add(1);
        tracing::error!(%stream, version, why, "parked a stream: it can't be applied");
        let note = Parked {
            stream: stream.clone(),
            version: *version,
            reason: why.chars().take(MAX_REASON_CHARS).collect(),
            projection: self.projection,
            build: BUILD.to_owned(),
            at: Timestamp::now(),
            let_go: *let_go,
        };
        self.views.park(generation, &note).await
    }

    /// Lets go of events of those streams that this build has parked right behind their view, and
    /// returns these streams. Of the others nothing is noted.
    pub(crate) async fn let_go(
        &self,
        generation: &GenerationId,
        gapped: &[GappedStream],
    ) -> Result<Vec<StreamName>> {
        if gapped.is_empty() {
            return Ok(vec![]);
        }
        let streams = gapped.iter().map(|stream| stream.name.clone()).collect();
        let notes = self.notes(generation, streams).await?;
        let parked = gapped.iter().filter(|stream| {
            notes.get(&stream.name).is_some_and(|note| is_stuck(note, stream.version))
        });
        let events: Vec<(&StreamName, Version)> =
            parked.map(|stream| (&stream.name, stream.highest)).collect();
        let told = self.views.let_go(generation, &events).await?;
        let gone = events.into_iter().zip(told).filter(|(_, parked)| *parked);
        Ok(gone.map(|((stream, _), _)| stream.clone()).collect())
    }

    /// The note of a stream, if it is parked.
    pub(crate) async fn note(
        &self,
        generation: &GenerationId,
        stream: &StreamName,
    ) -> Result<Option<Parked>> {
        Ok(self.notes(generation, vec![stream.clone()]).await?.remove(stream))
    }

    /// The notes of those of the streams that are parked.
    async fn notes(&self, generation: &GenerationId, streams: Vec<StreamName>) -> Result<Notes> {
        let mut batch = Batch::new();
        let notes = batch.parked(streams);
        let notes = self.views.read(generation, &batch).await?.answers.take(notes)?;
        Ok(notes.into_iter().flatten().map(|note| (note.stream.clone(), note)).collect())
    }

    /// Tells that a change applied to a parked stream: the rest of it is to be brought in. Ends one
    /// `until_resumed`, the next one if none waits now.
    pub(crate) fn tell_resumed(&self) {
        self.resumed.notify_one();
    }

    /// Waits until a change applied to a parked stream.
    pub(crate) async fn until_resumed(&self) {
        self.resumed.notified().await;
    }
}

/// Whether this build has tried what the note is about. A note of which a later event was applied
/// names no build.
pub(crate) fn is_of_this_build(note: &Parked) -> bool {
    note.build == BUILD
}

/// Whether this build has tried, and the view stands right before what it could not apply.
pub(crate) fn is_stuck(note: &Parked, view: Version) -> bool {
    is_of_this_build(note) && note.version == view + 1
}
