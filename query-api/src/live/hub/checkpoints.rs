//! How far the views are, told to one part of the streams of events after the other.

use std::time::Duration;

use bytes::Bytes;
use kernel::Result;
use shared::view_store::{GenerationId, Reached};
use tokio::time::Instant;

use super::super::EventId;
use super::super::event::{self, Checkpoint};
use super::super::queue::Frame;
use super::super::subscriber::Subscriber;
use super::{Hub, lock};

/// Parts of the streams. The client of each stream that is told something has to be woken: all of
/// them at once would keep the process busy for so long that what changes meanwhile is told late.
const PARTS: u64 = 25;
/// From one part to the next at least, so that each stream is told a checkpoint every 500 ms at
/// most.
const INTERVAL: Duration = Duration::from_millis(20);
/// From one look to the next one, while there is nothing to tell.
const IDLE_INTERVAL: Duration = Duration::from_millis(500);

/// What is told of how far the views are: it is read once, and then told to all parts in turn.
pub struct Checkpoints {
    /// What was read, and of which generation, until the last part is told.
    event: Option<(GenerationId, Bytes)>,
    /// The part that is told next.
    part: u64,
    /// No part is told before this.
    due: Instant,
    /// The longest time from when an event was recorded until it was told, since this was last
    /// read; none without a change.
    lag: Option<i64>,
}

impl Default for Checkpoints {
    fn default() -> Self {
        Self { event: None, part: 0, due: Instant::now(), lag: None }
    }
}

impl Checkpoints {
    /// Changes were told; the oldest of them was recorded so many milliseconds before.
    pub fn told(&mut self, lag: Option<i64>) {
        self.lag = self.lag.max(lag);
    }

    /// When there may be something to tell, where no news come before.
    pub fn next_look(&self, has_moved: bool) -> Instant {
        match has_moved || self.lag.is_some() || self.event.is_some() {
            true => self.due,
            false => Instant::now() + IDLE_INTERVAL,
        }
    }
}

impl Hub {
    /// Tells the next part of the streams how far the views are, once that is due. The id is that
    /// of this moment: everything before it was told to them.
    pub(super) async fn tell_checkpoint(
        &self,
        checkpoints: &mut Checkpoints,
        id: &EventId,
    ) -> Result<()> {
        if checkpoints.due > Instant::now() {
            return Ok(());
        }
        checkpoints.event = checkpoints.event.take().filter(|(of, _)| *of == id.generation);
        if checkpoints.event.is_none() {
            self.read_checkpoint(checkpoints, &id.generation).await?;
        }
        let Some((_, event)) = &checkpoints.event else { return Ok(()) };
        let (place, budget) = (id.place, &self.waiting);
        let told =
            Frame { place: Some(place), piece: budget.piece(event::frame(&[event], Some(id))) };
        let tell = |one: &Subscriber| one.tell_skipped(place, budget) && one.send(told.clone());
        lock(&self.subscribers).tell_part((checkpoints.part, PARTS), tell);
        checkpoints.part += 1;
        if checkpoints.part == PARTS {
            checkpoints.event = None;
        }
        checkpoints.due = Instant::now() + INTERVAL;
        Ok(())
    }

    /// Begins to tell all parts, where there is something new to tell. After a failure it is still
    /// new.
    async fn read_checkpoint(
        &self,
        checkpoints: &mut Checkpoints,
        generation: &GenerationId,
    ) -> Result<()> {
        let moved = lock(&self.pending).checkpoint;
        if moved.is_none() && checkpoints.lag.is_none() {
            return Ok(());
        }
        let event = self.checkpoint(generation, checkpoints.lag).await?;
        checkpoints.event = event.map(|event| (generation.clone(), event));
        (checkpoints.part, checkpoints.lag) = (0, None);
        let mut pending = lock(&self.pending);
        if pending.checkpoint == moved {
            pending.checkpoint = None;
        }
        Ok(())
    }

    /// How far the views are, as an event without an id; none when the generation is gone.
    pub async fn checkpoint(
        &self,
        generation: &GenerationId,
        lag_ms: Option<i64>,
    ) -> Result<Option<Bytes>> {
        let Reached { checkpoint, applied, .. } = self.views.reached(generation).await?;
        let write = |position| event::checkpoint(Checkpoint { position, applied, lag_ms });
        checkpoint.map(write).transpose()
    }
}
