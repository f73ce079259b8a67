//! Views in memory, for the embedded mode: made from the log at each start.

mod applying;
mod news;
mod reading;
mod view;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use async_trait::async_trait;
use kernel::log::{Position, StreamName, Version};
use kernel::projection::{Change, Stored};
use kernel::views::{Answers, Batch, Parked};
use kernel::{Failure, Result};

use self::news::News;
use self::view::View;
use super::{
    Advance, Applied, Generation, GenerationId, ParkedPage, Place, Progress, Reached, Reading,
    Update, Updates, ViewStore,
};

/// Views in the memory of one process; clones share them. They end with the process.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<RwLock<State>>);

#[derive(Debug, Default)]
struct State {
    live: Option<GenerationId>,
    building: Option<GenerationId>,
    generations: BTreeMap<GenerationId, (Generation, Views)>,
}

#[derive(Debug, Default)]
struct Views {
    checkpoint: Position,
    applied: Position,
    news: News,
    views: HashMap<StreamName, View>,
    records: HashMap<String, Record>,
    lists: HashMap<String, BTreeSet<String>>,
    parked: BTreeMap<StreamName, Parked>,
    progress: Option<Progress>,
    repaired: u64,
}

#[derive(Debug, Default)]
struct Record {
    sums: BTreeMap<String, i64>,
    texts: BTreeMap<String, String>,
}

impl Memory {
    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn described(&self, id: Option<&GenerationId>) -> Option<Generation> {
        Some(self.generations.get(id?)?.0.clone())
    }

    fn views(&self, id: &GenerationId) -> Option<&Views> {
        self.generations.get(id).map(|(_, views)| views)
    }

    fn views_mut(&mut self, id: &GenerationId) -> Option<&mut Views> {
        self.generations.get_mut(id).map(|(_, views)| views)
    }
}

#[async_trait]
impl ViewStore for Memory {
    async fn live(&self) -> Result<Option<Generation>> {
        let state = self.state();
        Ok(state.described(state.live.as_ref()))
    }

    async fn building(&self) -> Result<Option<Generation>> {
        let state = self.state();
        Ok(state.described(state.building.as_ref()))
    }

    async fn generations(&self) -> Result<Vec<Generation>> {
        Ok(self.state().generations.values().map(|(generation, _)| generation.clone()).collect())
    }

    async fn begin(&self, generation: &Generation) -> Result<bool> {
        let mut state = self.state_mut();
        if state.building.is_some() {
            return Ok(false);
        }
        state.building = Some(generation.id.clone());
        state.generations.insert(generation.id.clone(), (generation.clone(), Views::default()));
        Ok(true)
    }

    async fn promote(&self, from: Option<&GenerationId>, to: &GenerationId) -> Result<bool> {
        let mut state = self.state_mut();
        if state.live.as_ref() != from || !state.generations.contains_key(to) {
            return Ok(false);
        }
        state.live = Some(to.clone());
        if state.building.as_ref() == Some(to) {
            state.building = None;
        }
        Ok(true)
    }

    async fn remove(&self, generation: &GenerationId) -> Result<()> {
        let mut state = self.state_mut();
        if state.live.as_ref() == Some(generation) {
            return Err(Failure::permanent("removing a generation", "it is live"));
        }
        if state.building.as_ref() == Some(generation) {
            state.building = None;
        }
        state.generations.remove(generation);
        Ok(())
    }

    async fn lease(&self, generation: &GenerationId, _: &str, _: Duration) -> Result<bool> {
        Ok(self.state().views(generation).is_some()) // One process has it all.
    }

    async fn count_repaired(&self, generation: &GenerationId, count: u64) -> Result<()> {
        if let Some(views) = self.state_mut().views_mut(generation) {
            views.repaired += count;
        }
        Ok(())
    }

    async fn repaired(&self, generation: &GenerationId) -> Result<u64> {
        Ok(self.state().views(generation).map_or(0, |views| views.repaired))
    }

    async fn report(&self, generation: &GenerationId, progress: &Progress) -> Result<()> {
        if let Some(views) = self.state_mut().views_mut(generation) {
            views.progress = Some(progress.clone());
        }
        Ok(())
    }

    async fn progress(&self, generation: &GenerationId) -> Result<Option<Progress>> {
        Ok(self.state().views(generation).and_then(|views| views.progress.clone()))
    }

    async fn load(
        &self,
        generation: &GenerationId,
        streams: &[&StreamName],
    ) -> Result<Vec<Option<Stored>>> {
        let state = self.state();
        let Some(views) = state.views(generation) else { return Ok(vec![None; streams.len()]) };
        Ok(views.first(streams.iter().copied()))
    }

    async fn apply(&self, generation: &GenerationId, changes: &[Change]) -> Result<Vec<Applied>> {
        let mut state = self.state_mut();
        let Some(views) = state.views_mut(generation) else {
            return Ok(vec![Applied::NoGeneration; changes.len()]);
        };
        Ok(changes.iter().map(|change| views.apply(change)).collect())
    }

    async fn checkpoint(&self, generation: &GenerationId) -> Result<Option<Position>> {
        Ok(self.state().views(generation).map(|views| views.checkpoint))
    }

    async fn advance(
        &self,
        generation: &GenerationId,
        from: Position,
        to: Position,
        reached: &[(&StreamName, Version)],
    ) -> Result<Advance> {
        let mut state = self.state_mut();
        let Some(views) = state.views_mut(generation) else {
            return Ok(Advance::NoGeneration);
        };
        if views.checkpoint != from {
            return Ok(Advance::Elsewhere(views.checkpoint));
        }
        let is_behind = |i: &usize| {
            let (stream, version) = reached[*i];
            views.version(stream) < version && !views.parked.contains_key(stream)
        };
        let behind: Vec<usize> = (0..reached.len()).filter(is_behind).collect();
        if !behind.is_empty() {
            return Ok(Advance::Behind(behind));
        }
        for (stream, version) in reached {
            views.let_go(stream, *version);
        }
        views.checkpoint = to;
        views.news.tell(Update::Checkpoint(to));
        Ok(Advance::Moved)
    }

    async fn park(&self, generation: &GenerationId, note: &Parked) -> Result<()> {
        if let Some(views) = self.state_mut().views_mut(generation)
            && views.version(&note.stream) < note.version
        {
            let before = views.parked.get(&note.stream).map_or(0, |before| before.let_go);
            let note = Parked { let_go: note.let_go.max(before), ..note.clone() };
            views.news.tell(Update::Parked(note.stream.clone()));
            views.parked.insert(note.stream.clone(), note);
        }
        Ok(())
    }

    async fn let_go(
        &self,
        generation: &GenerationId,
        events: &[(&StreamName, Version)],
    ) -> Result<Vec<bool>> {
        let mut state = self.state_mut();
        let Some(views) = state.views_mut(generation) else { return Ok(vec![false; events.len()]) };
        Ok(events.iter().map(|(stream, version)| views.let_go(stream, *version)).collect())
    }

    async fn unpark(
        &self,
        generation: &GenerationId,
        stream: &StreamName,
        let_go: Version,
    ) -> Result<bool> {
        let mut state = self.state_mut();
        let Some(views) = state.views_mut(generation) else { return Ok(true) };
        if views.parked.get(stream).is_some_and(|note| note.let_go != let_go) {
            return Ok(false);
        }
        views.parked.remove(stream);
        Ok(true)
    }

    async fn parked(
        &self,
        generation: &GenerationId,
        after: Option<&StreamName>,
        limit: usize,
    ) -> Result<ParkedPage> {
        let state = self.state();
        Ok(state.views(generation).map(|views| views.notes(after, limit)).unwrap_or_default())
    }

    async fn count_parked(&self, generation: &GenerationId) -> Result<u64> {
        Ok(self.state().views(generation).map_or(0, |views| views.parked.len() as u64))
    }

    async fn read(&self, generation: &GenerationId, batch: &Batch) -> Result<Reading> {
        let state = self.state();
        let nothing = Views::default();
        let views = state.views(generation).unwrap_or(&nothing);
        let answers = batch.reads().iter().map(|read| views.answer(read)).collect();
        let answers = Answers::new(answers);
        Ok(Reading { live: state.live.clone(), applied: views.applied, answers })
    }

    async fn reached(&self, generation: &GenerationId) -> Result<Reached> {
        let state = self.state();
        let views = state.views(generation);
        let checkpoint = views.map(|views| views.checkpoint);
        let applied = views.map_or(0, |views| views.applied);
        Ok(Reached { live: state.live.clone(), checkpoint, applied })
    }

    async fn updates(&self, generation: &GenerationId) -> Result<Box<dyn Updates>> {
        let state = self.state();
        let gone = || Failure::transient("following the views", "the generation is gone");
        let views = state.views(generation).ok_or_else(gone)?;
        Ok(Box::new(views.news.listen()))
    }

    async fn updates_since(
        &self,
        generation: &GenerationId,
        after: Place,
        max_streams: usize,
    ) -> Result<Option<Vec<(Place, Update)>>> {
        let state = self.state();
        Ok(state.views(generation).and_then(|views| views.news.since(after, max_streams)))
    }
}
