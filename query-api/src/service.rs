//! Answers from the live generation.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use shared::log::{StreamName, Version};
use shared::problem::Problem;
use shared::queries::{Queries, Question, Reply, Snapshot, Unanswered};
use shared::token::{MAX_STREAMS, Seen, Token};
use shared::view_store::{Answer, Generation, Read, ViewStore};
use tokio::time::Instant;

/// Answers that may find another generation live than they began with: swaps are rare.
const SWAPS: u32 = 5;
/// Between two looks whether a view has caught up.
const LOOK: Duration = Duration::from_millis(5);

pub struct Service {
    views: Arc<dyn ViewStore>,
    queries: Arc<dyn Queries>,
    /// The generation that was live last time; every read tells whether it still is.
    live: RwLock<Option<Generation>>,
}

/// An answer, and the token of what it shows.
pub struct Shown {
    pub reply: Reply,
    pub token: Option<Token>,
}

impl Service {
    pub fn new(views: Arc<dyn ViewStore>, queries: Arc<dyn Queries>) -> Self {
        Self { views, queries, live: RwLock::new(None) }
    }

    /// Answers once the views contain what `seen` says, at the latest after `wait`.
    pub async fn answer(
        &self,
        question: &Question,
        seen: Option<&Token>,
        wait: Duration,
    ) -> Result<Option<Shown>, Problem> {
        let deadline = Instant::now() + wait;
        for _ in 0..SWAPS {
            let generation = self.generation().await?;
            let views = Snapshot::new(self.views.as_ref(), &generation.id);
            let answered = match seen {
                Some(seen) => self.catch_up(&views, &generation, seen, deadline).await,
                None => Ok(()),
            };
            let answered = match answered {
                Ok(()) => self.queries.answer(&views, question).await,
                Err(unanswered) => Err(unanswered),
            };
            match answered {
                Ok(reply) => return Ok(reply.map(|reply| shown(&generation, reply))),
                Err(Unanswered::Moved) => self.forget(),
                Err(Unanswered::Problem(problem)) => return Err(problem),
                Err(Unanswered::Failure(failure)) => return Err(failure.into()),
            }
        }
        Err(Problem::unavailable("The views are being replaced; try again."))
    }

    async fn generation(&self) -> Result<Generation, Problem> {
        let known = self.live.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known {
            return Ok(known);
        }
        let live = self.views.live().await?;
        let none = || Problem::unavailable("The views are being made; try again.");
        let live = live.ok_or_else(none)?;
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Some(live.clone());
        Ok(live)
    }

    fn forget(&self) {
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether there are views to answer from, as it is now.
    pub async fn is_ready(&self) -> Result<(), String> {
        match self.views.live().await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err("there are no views yet: a projector makes them".to_owned()),
            Err(failure) => Err(failure.to_string()),
        }
    }

    async fn catch_up(
        &self,
        views: &Snapshot<'_>,
        generation: &Generation,
        seen: &Token,
        deadline: Instant,
    ) -> Result<(), Unanswered> {
        if seen.log != generation.log {
            let detail = "The Consistency-Token belongs to another log; ask without it.";
            return Err(Problem::cursor_of_another_log(detail).into());
        }
        loop {
            let there = match &seen.seen {
                Seen::Streams(streams) => contains(views, streams).await?,
                Seen::Position(position) => {
                    let checkpoint = self.views.checkpoint(&generation.id).await?;
                    checkpoint.is_some_and(|checkpoint| checkpoint >= *position)
                }
            };
            if there {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let detail =
                    "The views do not contain yet what the Consistency-Token names; try again.";
                return Err(Problem::not_consistent_yet(detail).into());
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

async fn contains(
    views: &Snapshot<'_>,
    streams: &[(StreamName, Version)],
) -> Result<bool, Unanswered> {
    let names = streams.iter().map(|(stream, _)| stream.clone()).collect();
    let Some(Answer::Views(stored)) = views.read(&[Read::Views(names)]).await?.pop() else {
        return Ok(false);
    };
    let reached = |((_, wanted), view): (&(StreamName, Version), &Option<_>)| {
        view.as_ref().is_some_and(|view: &shared::projection::Stored| view.version >= *wanted)
    };
    Ok(streams.iter().zip(&stored).all(reached))
}

/// A token of the streams that the answer shows, where those are few enough to name.
fn shown(generation: &Generation, reply: Reply) -> Shown {
    let few = (1..=MAX_STREAMS).contains(&reply.shows.len());
    let token = few
        .then(|| Token { log: generation.log.clone(), seen: Seen::Streams(reply.shows.clone()) });
    Shown { reply, token }
}
