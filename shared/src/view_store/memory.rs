//! Views in memory, for the embedded mode: made from the log at each start.

mod news;
mod reading;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use async_trait::async_trait;

use self::news::News;
use super::{
    Advance, Applied, Generation, GenerationId, MAX_SUM, Parked, Read, Reading, Update, Updates,
    ViewStore,
};
use crate::log::{Position, StreamName, Version};
use crate::projection::{Change, Stored, Sum, ranked};
use crate::{Failure, Result};

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
    views: HashMap<StreamName, Stored>,
    records: HashMap<String, Record>,
    lists: HashMap<String, BTreeSet<String>>,
    parked: BTreeMap<StreamName, Parked>,
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

    async fn lease(&self, _: &GenerationId, _: &str, _: Duration) -> Result<bool> {
        Ok(true) // One process has it all.
    }

    async fn load(
        &self,
        generation: &GenerationId,
        streams: &[&StreamName],
    ) -> Result<Vec<Option<Stored>>> {
        let state = self.state();
        let views = state.views(generation);
        Ok(streams.iter().map(|stream| views?.views.get(*stream).cloned()).collect())
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
        views.checkpoint = to;
        views.news.tell(Update::Checkpoint(to));
        Ok(Advance::Moved)
    }

    async fn park(&self, generation: &GenerationId, note: &Parked) -> Result<()> {
        if let Some(views) = self.state_mut().views_mut(generation) {
            views.parked.insert(note.stream.clone(), note.clone());
            views.news.tell(Update::Parked(note.stream.clone()));
        }
        Ok(())
    }

    async fn parked(&self, generation: &GenerationId) -> Result<Vec<Parked>> {
        let state = self.state();
        let views = state.views(generation);
        Ok(views.map(|views| views.parked.values().cloned().collect()).unwrap_or_default())
    }

    async fn read(&self, generation: &GenerationId, reads: &[Read]) -> Result<Reading> {
        let state = self.state();
        let nothing = Views::default();
        let views = state.views(generation).unwrap_or(&nothing);
        let answers = reads.iter().map(|read| views.answer(read)).collect();
        Ok(Reading { live: state.live.clone(), applied: views.applied, answers })
    }

    async fn updates(&self, generation: &GenerationId) -> Result<Box<dyn Updates>> {
        let state = self.state();
        let gone = || Failure::transient("following the views", "the generation is gone");
        let views = state.views(generation).ok_or_else(gone)?;
        Ok(Box::new(views.news.listen()))
    }
}

impl Views {
    fn version(&self, stream: &StreamName) -> Version {
        self.views.get(stream).map_or(0, |view| view.version)
    }

    fn apply(&mut self, change: &Change) -> Applied {
        let stored = self.version(&change.stream);
        if stored != change.base {
            return Applied::refused(stored, change.to);
        }
        if change.sums.iter().any(|sum| self.after(sum).abs() > MAX_SUM) {
            return Applied::OutOfRange;
        }
        for sum in &change.sums {
            self.add(sum);
        }
        for (index, member) in &change.leave {
            self.list(index).remove(member);
        }
        for (index, member) in &change.enter {
            self.list(index).insert(member.clone());
        }
        for (cell, text) in &change.greatest {
            let record = self.records.entry(cell.record.clone()).or_default();
            let kept = record.texts.entry(cell.field.clone()).or_default();
            if text.as_bytes() > kept.as_bytes() {
                kept.clone_from(text);
            }
        }
        let view = Stored { version: change.to, document: change.document.clone() };
        self.views.insert(change.stream.clone(), view);
        self.parked.remove(&change.stream);
        self.applied = self.applied.max(change.position);
        self.news.tell(Update::Applied(change.stream.clone(), change.to));
        Applied::Applied
    }

    fn after(&self, sum: &Sum) -> i64 {
        let record = self.records.get(&sum.cell.record);
        let now = record.and_then(|record| record.sums.get(&sum.cell.field)).copied();
        now.unwrap_or(0).saturating_add(sum.delta)
    }

    fn add(&mut self, sum: &Sum) {
        let new = self.after(sum);
        let record = self.records.entry(sum.cell.record.clone()).or_default();
        record.sums.insert(sum.cell.field.clone(), new);
        if let Some(rank) = &sum.rank {
            let list = self.list(&rank.index);
            list.remove(&ranked(new - sum.delta, &rank.member));
            if new != 0 || rank.zeros {
                list.insert(ranked(new, &rank.member));
            }
        }
    }

    fn list(&mut self, index: &str) -> &mut BTreeSet<String> {
        self.lists.entry(index.to_owned()).or_default()
    }
}
