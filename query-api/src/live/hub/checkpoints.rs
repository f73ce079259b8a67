//! How far the views are, told to one part of the streams of events after the other.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use kernel::Result;
use kernel::log::Position;
use shared::view_store::{GenerationId, Reached};
use tokio::time::Instant;

use super::super::EventId;
use super::super::event::{self, Checkpoint};
use super::super::queue::Frame;
use super::super::subscriber::Subscriber;
use super::{Hub, lock};

/// Parts of the streams. The client of each stream that is told something has to be woken: all of
/// them at once would keep the process busy for so long that what changes meanwhile is told late.
const PARTS: u32 = 25;
/// From one part to the next. Where a round of telling takes longer, several are told after it.
const INTERVAL: Duration = Duration::from_millis(20);
/// From one look to the next one, while there is nothing to tell.
const IDLE_INTERVAL: Duration = Duration::from_millis(500);

/// What is told of how far the views are: it is read once, and then told to all parts in turn.
pub struct Checkpoints {
    /// What was read, and of which generation, until the last part is told.
    event: Option<(GenerationId, Position, Bytes)>,
    /// The part that is told next.
    part: u32,
    /// It is not told before this.
    due: Instant,
    /// The first part is not told again before this: no stream is told two checkpoints within the
    /// time that all parts take, however late some of them were told.
    again: Instant,
    /// The longest time from when an event was recorded until it was told, since this was last
    /// read; none without a change.
    lag: Option<i64>,
}

impl Default for Checkpoints {
    fn default() -> Self {
        let (event, now, lag) = (None, Instant::now(), None);
        Self { event, part: 0, due: now, again: now, lag }
    }
}

impl Checkpoints {
    /// Changes were told; the oldest of them was recorded so many milliseconds before.
    pub fn told(&mut self, lag: Option<i64>) {
        self.lag = self.lag.max(lag);
    }

    /// Whether something was told since this was last read.
    pub fn knows_lag(&self) -> bool {
        self.lag.is_some()
    }

    /// When there may be something to tell, where no news come before.
    pub fn next_look(&self, has_moved: bool) -> Instant {
        match has_moved || self.lag.is_some() || self.event.is_some() {
            true => self.due,
            false => Instant::now() + IDLE_INTERVAL,
        }
    }

    /// This was read, and is told from now on.
    fn begin(&mut self, event: Option<(GenerationId, Position, Bytes)>) {
        (self.event, self.part, self.due, self.lag) = (event, 0, Instant::now(), None);
    }

    /// The parts whose time has come, which are told now.
    fn take_due(&mut self) -> Range<u32> {
        let (now, first) = (Instant::now(), self.part);
        self.again = self.again.max(now + INTERVAL * (PARTS - first));
        while self.part < PARTS && self.due <= now {
            self.part += 1;
            self.due += INTERVAL;
        }
        if self.part == PARTS {
            (self.event, self.due) = (None, self.again);
        }
        first..self.part
    }
}

impl Hub {
    /// Tells the parts of the streams that are due how far the views are. The id is that of this
    /// moment: everything before it was told to them.
    pub(super) async fn tell_checkpoint(
        &self,
        checkpoints: &mut Checkpoints,
        id: &EventId,
    ) -> Result<()> {
        if checkpoints.due > Instant::now() {
            return Ok(());
        }
        checkpoints.event = checkpoints.event.take().filter(|(of, ..)| *of == id.generation);
        if checkpoints.event.is_none() {
            self.read_checkpoint(checkpoints, &id.generation).await?;
        }
        let Some((_, position, event)) = &checkpoints.event else { return Ok(()) };
        let (position, place, budget) = (*position, id.place, &self.waiting);
        let told =
            Frame { place: Some(place), piece: budget.piece(event::frame(&[event], Some(id))) };
        let tell = |one: &Subscriber| {
            !one.takes_checkpoint(position)
                || (one.tell_skipped(place, budget) && one.send(told.clone()))
        };
        for part in checkpoints.take_due() {
            lock(&self.subscribers).tell_part((part, PARTS), tell);
        }
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
        let read = self.checkpoint(generation, checkpoints.lag).await?;
        checkpoints.begin(read.map(|(position, event)| (generation.clone(), position, event)));
        let mut pending = lock(&self.pending);
        if pending.checkpoint == moved {
            pending.checkpoint = None;
        }
        Ok(())
    }

    /// How far the views are, and that as an event without an id; none when the generation is gone.
    pub async fn checkpoint(
        &self,
        generation: &GenerationId,
        lag_ms: Option<i64>,
    ) -> Result<Option<(Position, Bytes)>> {
        let Reached { checkpoint, applied, .. } = self.views.reached(generation).await?;
        let Some(position) = checkpoint else { return Ok(None) };
        let event = event::checkpoint(Checkpoint { position, applied, lag_ms })?;
        Ok(Some((position, event)))
    }
}
