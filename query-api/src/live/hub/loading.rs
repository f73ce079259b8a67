//! Reading views for streams of events.

use std::panic::{AssertUnwindSafe, catch_unwind};

use kernel::Result;
use kernel::live::unreadable;
use kernel::log::StreamName;
use kernel::projection::Stored;
use kernel::views::Batch;
use shared::view_store::{Generation, Place, Update};

use super::super::EventId;
use super::super::catch_up::MAX_STREAMS;
use super::super::event::Changed;
use super::super::share::Share;
use super::Hub;

impl Hub {
    /// Loads views as they are now, each once for all streams of events.
    pub async fn load(
        &self,
        generation: &Generation,
        streams: &[StreamName],
    ) -> Result<Vec<Changed>> {
        match self.load_together(generation, streams).await {
            Err(failure) if failure.is_permanent() => self.load_singly(generation, streams).await,
            loaded => loaded,
        }
    }

    /// The same one by one, without those that can't be read: one of them keeps all others from
    /// being read with it.
    async fn load_singly(
        &self,
        generation: &Generation,
        streams: &[StreamName],
    ) -> Result<Vec<Changed>> {
        self.views.reached(&generation.id).await?; // Else nothing can be read.
        let mut changed = vec![];
        for stream in streams {
            match self.load_together(generation, std::slice::from_ref(stream)).await {
                Ok(one) => changed.extend(one),
                Err(failure) if failure.is_permanent() => {
                    tracing::warn!(%failure, %stream, "a view is not told");
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(changed)
    }

    async fn load_together(
        &self,
        generation: &Generation,
        streams: &[StreamName],
    ) -> Result<Vec<Changed>> {
        let mut batch = Batch::new();
        let found = batch.views(streams.to_vec());
        let stored = self.views.read(&generation.id, &batch).await?.answers.take(found)?;
        let mut changed = vec![];
        for (stream, stored) in streams.iter().zip(stored) {
            let Some(stored) = stored else { continue };
            match self.changed(stream, stored) {
                Ok(one) => changed.push(one),
                Err(failure) => tracing::warn!(%failure, %stream, "a view is not told"),
            }
        }
        Ok(changed)
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
