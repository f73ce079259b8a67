//! What a domain tells query-api: which questions there are, and how views answer them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use kernel::Failure;
use kernel::log::{Position, StreamName, Version};

use crate::problem::Problem;
use crate::view_store::{Answer, GenerationId, Read, Reading, ViewStore};

/// The questions of a domain.
#[async_trait]
pub trait Queries: Send + Sync + 'static {
    /// Answers from the views; `None` when there is no such question.
    async fn answer(
        &self,
        views: &Views<'_>,
        question: &Question,
    ) -> Result<Option<Reply>, Unanswered>;
}

/// `GET /<path>?<parameters>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Segments, decoded.
    pub path: Vec<String>,
    pub parameters: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// JSON.
    pub body: Vec<u8>,
    /// Version of the one thing it shows; answers without one are told apart by their bytes.
    pub version: Option<Version>,
    /// Which version of which streams the answer shows, where it shows whole streams.
    pub shows: Vec<(StreamName, Version)>,
}

#[derive(Debug)]
pub enum Unanswered {
    /// Another generation went live meanwhile; ask again there.
    Moved,
    Problem(Problem),
    Failure(Failure),
}

impl From<Problem> for Unanswered {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// The views of one generation.
pub struct Views<'a> {
    store: &'a dyn ViewStore,
    generation: &'a GenerationId,
    applied: AtomicI64,
}

impl<'a> Views<'a> {
    pub fn new(store: &'a dyn ViewStore, generation: &'a GenerationId) -> Self {
        Self { store, generation, applied: AtomicI64::new(0) }
    }

    /// Nothing behind this position was in what was read so far.
    pub fn applied(&self) -> Position {
        self.applied.load(Ordering::Relaxed)
    }

    /// Reads from the generation, if it is live still.
    pub async fn read(&self, reads: &[Read]) -> Result<Vec<Answer>, Unanswered> {
        let Reading { live, applied, answers } = self.store.read(self.generation, reads).await?;
        self.applied.fetch_max(applied, Ordering::Relaxed);
        if live.as_ref() == Some(self.generation) { Ok(answers) } else { Err(Unanswered::Moved) }
    }
}
