//! What a domain tells query-api: which questions there are, and how views answer them.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::contract::ReadContract;
use crate::live::Live;
use crate::log::{StreamName, Version};
use crate::views::{Answers, Batch};
use crate::{Failure, parameters};

/// The questions of a domain, and how its views are followed.
#[async_trait]
pub trait Queries: Live {
    /// The questions, for the description that query-api gives of itself.
    fn contract(&self) -> ReadContract;

    /// Answers from the views; `None` when there is no such question. All parameters are checked
    /// before the first read, so that a wrong one is told also where the views are not to be read.
    async fn answer(&self, views: &dyn Views, question: &Question) -> Result<Option<Reply>, Error>;
}

/// The views that a question is answered from: those of one generation, as long as it is live.
#[async_trait]
pub trait Views: Send + Sync {
    /// Answers all reads of the batch together, in one round trip unless some views are large;
    /// `Error::Moved` once another generation is live.
    async fn read(&self, batch: &Batch) -> Result<Answers, Error>;
}

/// `GET /<path>?<parameters>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Segments, decoded.
    pub path: Vec<String>,
    /// By name, decoded.
    pub parameters: BTreeMap<String, String>,
    /// The client is shown what belongs to this owner alone; what belongs to others is as if it was not
    /// there. Only what the contract says to be `owned` is asked so.
    pub owner: Option<String>,
}

/// An answer to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// JSON.
    pub body: Vec<u8>,
    /// Version of the one thing it shows; answers without one are told apart by their bytes.
    pub version: Option<Version>,
    /// Which version of which streams the answer shows, where it shows whole streams.
    pub shows: Vec<(StreamName, Version)>,
}

/// Why a question has no answer.
#[derive(Debug)]
pub enum Error {
    /// Another generation went live meanwhile; ask again there.
    Moved,
    /// There is no such thing.
    NotFound {
        /// What was asked for, such as `order`.
        what: &'static str,
        /// For people.
        detail: String,
    },
    /// A parameter is unknown or malformed.
    InvalidParameter(parameters::Error),
    /// The views could not be read.
    Failure(Failure),
    /// The views hold something that can't be shown.
    Broken(String),
}

impl From<parameters::Error> for Error {
    fn from(error: parameters::Error) -> Self {
        Self::InvalidParameter(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}
