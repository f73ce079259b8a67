//! What the write side is asked for, and what it answers.

use std::sync::Arc;

use kernel::aggregate::{Aggregate, Refusal};
use kernel::log::{Commit, Meta, Position, StreamName, Version};
use shared::http::Client;
use tokio::time::Instant;

use super::sequence::Sequence;

/// A command with all that its commit needs.
#[derive(Debug, Clone)]
pub struct Request<A: Aggregate> {
    /// The stream that the command is for.
    pub stream: StreamName,
    /// The command's `type`: it is counted under it.
    pub kind: &'static str,
    /// The command itself.
    pub command: A::Command,
    /// Length of the command's JSON in bytes: what waits is bounded by it.
    pub bytes: usize,
    /// Whether it is one of a batch: those fill half of the room at most.
    pub of_batch: bool,
    /// Who sent it: one client fills half of the room at most.
    pub client: Option<Client>,
    /// When it has not started by then, it is answered as not done.
    pub start_by: Instant,
    /// Whether the command is decided on a stream without events first, without a read.
    pub fresh: bool,
    /// The version that the client expects the stream to be at (`If-Match`).
    pub expected: Option<Version>,
    /// The client changes what belongs to this owner alone; what belongs to others is as if it was not
    /// there. Without one it may change everything.
    pub owner: Option<String>,
    /// `<principal>/<Idempotency-Key>`.
    pub key: Option<String>,
    /// Of the request, to tell a repeated key from a reused one.
    pub fingerprint: String,
    /// Of its request's commands for this stream, where there may be several.
    pub sequence: Option<Sequence>,
    /// Why it is asked for, and on whose behalf.
    pub meta: Meta,
    /// The id of the request of HTTP, for the log.
    pub request_id: Option<Arc<str>>,
}

/// What an accepted command is answered with: a function of its commit alone, so that a repeated
/// request gets the same answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The stream that was appended to.
    pub stream: StreamName,
    /// Version of the first event: 1 for a creation.
    pub from: Version,
    /// Version of the last event.
    pub version: Version,
    /// Position of the commit in the log.
    pub position: Position,
}

impl From<&Commit> for Accepted {
    fn from(commit: &Commit) -> Self {
        Self {
            stream: commit.stream.clone(),
            from: commit.from,
            version: commit.to,
            position: commit.position,
        }
    }
}

/// Why a command was not accepted, and what is certain about it then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejected {
    /// A rule of the domain refuses it.
    Refused(Refusal),
    /// The stream is at another version than the client expects.
    VersionMismatch {
        /// The version that it is at.
        actual: Version,
    },
    /// It would make something that does not belong to the client's owner.
    OfAnotherOwner,
    /// The key is that of a request under way in this process.
    KeyInFlight,
    /// The key was used for another request.
    KeyMismatch,
    /// Other commands were written first at every attempt; nothing was written of this one.
    Conflict,
    /// Nothing was written: a command before it, in its sequence, has no certain outcome.
    NotAttempted,
    /// Nothing was written: there is no room for more commands.
    Overloaded,
    /// Nothing was written: the command could not start in time, or the log can't be reached.
    Unavailable(String),
    /// Nothing was written, and trying again does not help.
    Broken(String),
    /// It may have been written.
    Unknown,
}

/// What becomes of a command.
pub type Outcome = Result<Accepted, Rejected>;
