//! Telling all streams of events what was collected.

use std::collections::HashSet;
use std::time::Duration;

use kernel::log::StreamName;
use kernel::{Result, Timestamp};
use shared::view_store::Generation;
use tokio::time::Instant;

use super::super::EventId;
use super::super::event;
use super::super::queue::Frame;
use super::super::subscriber::{Page, Subscriber};
use super::super::traced::Traced;
use super::checkpoints::Checkpoints;
use super::{Hub, PAGE, lock};
use crate::metrics;

/// From the start of a telling to the next one: what changes meanwhile is told together, the first
/// change after a silence at once.
const TICK: Duration = Duration::from_millis(10);
/// The least time between two tellings, where one of them takes long.
const REST: Duration = Duration::from_millis(2);
/// How long is waited at most for clients to take what they were told, before they are told more.
const PATIENCE: Duration = Duration::from_millis(100);
/// Before what could not be loaded is tried again.
const RETRY_DELAY: Duration = Duration::from_millis(250);

impl Hub {
    /// Waits for news and tells them. Returns when the next ones may be told.
    pub(super) async fn tell_next(&self, checkpoints: &mut Checkpoints) {
        self.work.progress();
        let next_look = checkpoints.next_look(lock(&self.pending).checkpoint.is_some());
        drop(tokio::time::timeout_at(next_look, self.news.notified()).await);
        let begun = Instant::now();
        if let Err(failure) = self.tell_all(checkpoints).await {
            tracing::warn!(%failure, "changes of the views are told later");
            tokio::time::sleep(RETRY_DELAY).await;
            self.news.notify_one();
        }
        tokio::time::sleep_until((begun + TICK).max(Instant::now() + REST)).await;
    }

    async fn tell_all(&self, checkpoints: &mut Checkpoints) -> Result<()> {
        let (generation, place, (views, reset)) = {
            let mut pending = lock(&self.pending);
            let Some(generation) = pending.generation.clone() else { return Ok(()) };
            (generation, pending.place, pending.take())
        };
        let id = EventId::new(&generation, place);
        if let Some(why) = reset {
            let piece = self.waiting.piece(event::reset(why, &id)?);
            self.send(|one| one.send(Frame { place: None, piece: piece.clone() }));
        }
        let mut lag = None;
        // One is loaded in any case where the lag is not known.
        let most = self.takes().max(usize::from(!checkpoints.knows_lag()));
        let told = self.tell_views(&generation, (views, most), &id, &mut lag).await;
        if let Some(millis) = lag {
            metrics::LIVE_DELAY.took(Duration::from_millis(millis.unsigned_abs()), &[]);
        }
        checkpoints.told(lag);
        told?;
        self.tell_checkpoint(checkpoints, &id).await
    }

    /// Tells so many of the views at most. `lag` becomes the longest time since one of the events was recorded
    /// whose views were told.
    async fn tell_views(
        &self,
        generation: &Generation,
        (views, most): (HashSet<StreamName>, usize),
        id: &EventId,
        lag: &mut Option<i64>,
    ) -> Result<()> {
        let mut streams = Vec::from_iter(views);
        let skipped = streams.split_off(most.min(streams.len()));
        lock(&self.pending).take_traces(&skipped);
        if !skipped.is_empty() {
            lock(&self.subscribers).skip(skipped.len());
        }
        let mut is_long = false;
        while !streams.is_empty() {
            self.work.progress();
            let mut page = streams.split_off(streams.len().saturating_sub(PAGE));
            let mut traced = Traced::begin(lock(&self.pending).take_traces(&page));
            let changed = match self.load(generation, &page).await {
                Ok(loaded) => {
                    let later = page.split_off(loaded.streams.min(page.len()));
                    lock(&self.pending).put_back_traces(traced.take_out(&later));
                    streams.extend(later);
                    loaded.changed
                }
                Err(failure) => {
                    lock(&self.pending).views.extend(streams.into_iter().chain(page));
                    return Err(failure);
                }
            };
            let now = Timestamp::now().as_millis();
            let longest = changed.iter().map(|it| (now - it.at.as_millis()).max(0)).max();
            *lag = longest.max(*lag);
            let last = streams.is_empty().then_some(id);
            {
                let page = Page::new(&changed, id.place, last, &self.waiting);
                self.send(|one| one.tell(&page));
            }
            drop(changed);
            traced.end();
            is_long |= !streams.is_empty();
            if is_long {
                self.until_taken().await;
            }
        }
        Ok(())
    }

    /// Waits until there is room for more at all clients, so that one that reads takes all of what is more
    /// than may wait for it. A client that takes too long is not waited for again until it has caught up.
    async fn until_taken(&self) {
        let until = Instant::now() + PATIENCE;
        while lock(&self.subscribers).are_awaited() {
            if Instant::now() >= until {
                return lock(&self.subscribers).end_wait();
            }
            tokio::time::sleep(REST).await;
        }
    }

    /// As many views are loaded as the client takes that takes most.
    fn takes(&self) -> usize {
        lock(&self.subscribers).takes()
    }

    /// Hands something to all, and lets go of those that can't take it.
    fn send(&self, tell: impl Fn(&Subscriber) -> bool) {
        lock(&self.subscribers).tell(tell);
    }
}
