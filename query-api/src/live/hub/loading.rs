//! Reading views for streams of events.

use std::panic::{AssertUnwindSafe, catch_unwind};

use kernel::Result;
use kernel::live::unreadable;
use kernel::log::StreamName;
use kernel::projection::Stored;
use kernel::views::{Batch, VIEWS_BYTES};
use shared::view_store::{Generation, Place, Update};

use super::super::EventId;
use super::super::catch_up::MAX_STREAMS;
use super::super::event::Changed;
use super::super::share::Share;
use super::Hub;

/// Views as they are told.
#[derive(Default)]
pub struct Loaded {
    pub changed: Vec<Changed>,
    /// They are those of so many streams, the first ones of those that were asked for.
    pub streams: usize,
}

impl Hub {
    /// Loads views as they are now, each once for all streams of events: those of the first streams, as
    /// many as one read returns, and of one at least.
    pub async fn load(&self, generation: &Generation, streams: &[StreamName]) -> Result<Loaded> {
        match self.load_together(generation, streams).await {
            Err(failure) if failure.is_permanent() => self.load_singly(generation, streams).await,
            loaded => loaded,
        }
    }

    /// The same one by one, without those that can't be read: one of them keeps all others from
    /// being read with it.
    async fn load_singly(&self, generation: &Generation, streams: &[StreamName]) -> Result<Loaded> {
        self.views.reached(&generation.id).await?; // Else nothing can be read.
        let (mut loaded, mut bytes) = (Loaded::default(), 0);
        for stream in streams {
            if bytes >= VIEWS_BYTES {
                break;
            }
            loaded.streams += 1;
            match self.load_together(generation, std::slice::from_ref(stream)).await {
                Ok(Loaded { changed, .. }) => {
                    bytes += changed.iter().map(|one| one.bytes(true).len()).sum::<usize>();
                    loaded.changed.extend(changed);
                }
                Err(failure) if failure.is_permanent() => {
                    tracing::warn!(%failure, %stream, "a view is not told");
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(loaded)
    }

    async fn load_together(
        &self,
        generation: &Generation,
        streams: &[StreamName],
    ) -> Result<Loaded> {
        let mut batch = Batch::new();
        let found = batch.views(streams.to_vec());
        let stored = self.views.read(&generation.id, &batch).await?.answers.take(found)?;
        let mut loaded = Loaded { changed: vec![], streams: stored.len() };
        for (stream, stored) in streams.iter().zip(stored) {
            let Some(stored) = stored else { continue };
            match self.changed(stream, stored) {
                Ok(one) => loaded.changed.push(one),
                Err(failure) => tracing::warn!(%failure, %stream, "a view is not told"),
            }
        }
        Ok(loaded)
    }

    /// A panic of the domain is a failure like any other: it would end all streams, each time that they
    /// are resumed.
    fn changed(&self, stream: &StreamName, stored: Stored) -> Result<Changed> {
        let show = AssertUnwindSafe(|| Changed::new(stream, stored, self.queries.as_ref()));
        catch_unwind(show).unwrap_or_else(|_| Err(unreadable("showing it panicked")))
    }

    /// What a client of this share has missed, read in its turn.
    pub async fn updates_since(
        &self,
        id: &EventId,
        share: &Share,
    ) -> Result<Option<Vec<(Place, Update)>>> {
        let _turn = self.turns.begin(share).await;
        self.views.updates_since(&id.generation, id.place, MAX_STREAMS).await
    }
}
