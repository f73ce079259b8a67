//! Following the log into a generation, run by run: what the healer and the builder share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kernel::Result;
use kernel::log::{Commit, Position, Recorded, Run, StreamName, Version};
use shared::view_store::{Advance, GenerationId, ViewStore};

use crate::applier::{Applier, BatchOutcome};
use crate::traced::Traced;

/// What a step along the log came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// All of the run is applied or parked, and the checkpoint stands at its end.
    Done,
    /// These streams lack events of the run; the checkpoint did not move.
    Behind(BTreeSet<StreamName>),
    /// The checkpoint stands elsewhere, or the generation is gone: start again from what is stored.
    Lost,
}

/// Brings runs of the log into a generation, and moves its checkpoint behind them.
#[derive(Clone)]
pub(crate) struct Walker {
    views: Arc<dyn ViewStore>,
    applier: Arc<Applier>,
}

impl Walker {
    pub(crate) fn new(views: Arc<dyn ViewStore>, applier: Arc<Applier>) -> Self {
        Self { views, applier }
    }

    /// Applies all of the run, and moves the checkpoint from `from` to its end.
    pub(crate) async fn walk(
        &self,
        generation: &GenerationId,
        from: Position,
        run: &Run,
    ) -> Result<Step> {
        match self.apply(generation, run.commits.iter()).await? {
            BatchOutcome::Applied => {
                let reached = last_versions(&run.commits);
                self.advance(generation, from, run.to, &reached).await
            }
            BatchOutcome::NoGeneration => Ok(Step::Lost),
        }
    }

    /// Checks that these versions of the streams are applied, or the streams parked, and if so moves
    /// the checkpoint from `from` to `to`.
    pub(crate) async fn advance(
        &self,
        generation: &GenerationId,
        from: Position,
        to: Position,
        reached: &[(&StreamName, Version)],
    ) -> Result<Step> {
        let stream = |index: usize| reached.get(index).map(|(stream, _)| (*stream).clone());
        Ok(match self.views.advance(generation, from, to, reached).await? {
            Advance::Moved => Step::Done,
            Advance::Behind(behind) => {
                Step::Behind(behind.into_iter().filter_map(stream).collect())
            }
            Advance::Elsewhere(position) if position == to => Step::Done,
            Advance::Elsewhere(_) | Advance::NoGeneration => Step::Lost,
        })
    }

    /// Applies those commits of the run that are of these streams.
    pub(crate) async fn repair(
        &self,
        generation: &GenerationId,
        run: &Run,
        streams: &BTreeSet<StreamName>,
    ) -> Result<BatchOutcome> {
        let commits = run.commits.iter().filter(|commit| streams.contains(&commit.stream));
        let events: Vec<Recorded> = commits.flat_map(Commit::recorded).collect();
        let mut traced = Traced::of("heal", &events);
        let outcome = self.applier.apply_traced(generation, events, &mut traced).await;
        traced.end(&outcome);
        outcome
    }

    async fn apply<'a>(
        &self,
        generation: &GenerationId,
        commits: impl Iterator<Item = &'a Commit>,
    ) -> Result<BatchOutcome> {
        self.applier.apply(generation, commits.flat_map(Commit::recorded).collect()).await
    }
}

/// The last version of each stream in these commits.
fn last_versions(commits: &[Commit]) -> Vec<(&StreamName, Version)> {
    let last: BTreeMap<_, _> = commits.iter().map(|commit| (&commit.stream, commit.to)).collect();
    last.into_iter().collect()
}
