//! Why a question has no answer from a generation of views.

use async_trait::async_trait;
use kernel::views::{Answers, Batch};
use kernel::{Failure, query};
use shared::http::problem::Problem;

/// Why there is no answer from this generation.
pub enum Unanswered {
    /// Another generation went live meanwhile; ask again there.
    Moved,
    Problem(Problem),
}

/// Views of which nothing is read: for what a question is told before its first read.
pub struct Unread;

#[async_trait]
impl query::Views for Unread {
    async fn read(&self, _: &Batch) -> Result<Answers, query::Error> {
        Err(query::Error::Moved)
    }
}

impl From<Problem> for Unanswered {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Self {
        Self::Problem(failure.into())
    }
}

impl From<query::Error> for Unanswered {
    fn from(error: query::Error) -> Self {
        Self::Problem(match error {
            query::Error::Moved => return Self::Moved,
            query::Error::NotFound { what, detail } => Problem::unknown(what, detail),
            query::Error::InvalidParameter(error) => error.into(),
            query::Error::Failure(failure) => failure.into(),
            query::Error::Broken(why) => Problem::internal(why),
        })
    }
}
