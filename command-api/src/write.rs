//! The write side: group commit.
//!
//! `Desk` takes requests in, keeps each stream's in order, and starts a group whenever one of the
//! two places for groups is free. `group` reads, decides, inserts and settles one group. A stream
//! is in at most one group at a time, so decisions build on acknowledged commits alone.

mod cache;
mod desk;
mod draft;
mod group;
mod guarded;
mod job;
mod positions;
mod queues;
mod read;
mod room;
mod sequence;
mod settle;

use std::sync::Arc;

use kernel::aggregate::{Aggregate, Refusal};
use kernel::log::{Commit, Meta, Position, StreamName, Version};
use shared::event_store::EventStore;
use shared::service::health::Health;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::desk::Desk;
use self::job::Job;
use self::room::Room;
pub use self::room::{WAITING, WAITING_BYTES};
pub use self::sequence::Sequence;

/// A command with all that its commit needs.
#[derive(Debug, Clone)]
pub struct Request<A: Aggregate> {
    pub stream: StreamName,
    pub command: A::Command,
    /// Length of the command's JSON: what waits is bound by it.
    pub bytes: usize,
    /// When it is not started by then, it is answered as not done.
    pub start_by: Instant,
    /// The stream can't have events yet.
    pub fresh: bool,
    /// The version that the client expects the stream to be at (`If-Match`).
    pub expected: Option<Version>,
    /// `<principal>/<Idempotency-Key>`.
    pub key: Option<String>,
    pub fingerprint: String,
    /// Of its request's commands for this stream, where there may be several.
    pub sequence: Option<Sequence>,
    pub meta: Meta,
}

/// What the commit tells, whenever it is asked: an answer is a function of it alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    pub stream: StreamName,
    /// Of the first event: 1 for a creation.
    pub from: Version,
    /// Of the last event.
    pub version: Version,
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

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejected {
    /// The business says no.
    Refused(Refusal),
    /// The stream is at another version than the client expects.
    VersionMismatch { actual: Version },
    /// The key is that of a request under way in this process.
    KeyInFlight,
    /// The key was used for another request.
    KeyMismatch,
    /// Other commands were written first at every attempt; nothing was written of this one.
    Conflict,
    /// Nothing was written: a command before it, in its sequence, has no certain outcome.
    NotAttempted,
    /// Nothing was written: too busy, or the log can't be reached.
    Unavailable(String),
    /// Nothing was written, and trying again does not help.
    Broken(String),
    /// It may have been written.
    Unknown,
}

const FULL: &str = "too many commands are waiting; try again";

pub type Outcome = Result<Accepted, Rejected>;

/// Hands requests to the desk. A request that has started runs to its end, whether or not its client
/// waits. One that has not is dropped when its client is gone or its time is over.
pub struct Writer<A: Aggregate> {
    inbox: mpsc::Sender<Job<A>>,
    room: Room,
}

impl<A: Aggregate> Clone for Writer<A> {
    fn clone(&self) -> Self {
        Self { inbox: self.inbox.clone(), room: self.room.clone() }
    }
}

impl<A: Aggregate> Writer<A> {
    /// Starts the desk, which lives as long as a writer, and ends what was submitted. The part
    /// `commands` of the health is ready until the desk or a group ends by a fault.
    pub fn start(store: Arc<dyn EventStore>, health: Health) -> (Self, JoinHandle<()>) {
        let (inbox, requests) = mpsc::channel(WAITING);
        health.ready(desk::PART);
        let desk = tokio::spawn(Desk::<A>::new(store, requests, health.clone()).run());
        let desk = tokio::spawn(async move {
            if let Err(error) = desk.await {
                desk::report_fault(&health, &error);
            }
        });
        (Self { inbox, room: Room::default() }, desk)
    }

    /// Turns a request away before the work of reading it, while there is no room: under overload most
    /// are.
    pub fn has_room(&self) -> Result<(), Rejected> {
        match self.room.is_full() {
            true => Err(Rejected::Unavailable(FULL.to_owned())),
            false => Ok(()),
        }
    }

    /// Submits at once or not at all. Requests of one stream are carried out in the order of their
    /// submission.
    pub fn submit(&self, request: Request<A>) -> oneshot::Receiver<Outcome> {
        let (reply, outcome) = oneshot::channel();
        let unavailable = |why: &str| Err(Rejected::Unavailable(why.to_owned()));
        let Some(place) = self.room.take(request.bytes) else {
            drop(request.sequence.as_ref().map(Sequence::next)); // Those behind it are cut off.
            drop(reply.send(unavailable(FULL)));
            return outcome;
        };
        // The inbox has room for all that have a place: it can only be closed.
        if let Err(error) = self.inbox.try_send(Job::new(request, reply, place)) {
            error.into_inner().answer(unavailable("the service is stopping"));
        }
        outcome
    }
}
