//! The write side: group commit.
//!
//! A [`Writer`] hands requests to the `scheduler`, which keeps those of each stream in order (`queues`)
//! and starts a group whenever one of the two places for groups is free. A `commit_group` decides its
//! commands (`pending_commit`, on states that are cached or read by `stream_reader`), assigns
//! `positions`, and inserts all with one call; `resolve` finds out what became of commits that were not
//! simply written; `replies` answers commands. A stream is in at most one group at a time, with one command
//! or with several, of which each is decided on what the one before leads to.

mod appended;
mod cache;
mod commit_group;
mod flow_control;
mod group_event;
mod guarded;
mod lag_gauge;
mod pending_command;
mod pending_commit;
mod positions;
mod queues;
mod ready_streams;
mod replies;
mod request;
mod resolve;
mod room;
mod scheduler;
mod sequence;
mod stream_reader;
mod stream_state;

use std::sync::Arc;

use kernel::aggregate::Aggregate;
use shared::event_store::EventStore;
use shared::http::Client;
use shared::service::health::Health;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use self::flow_control::Flow;
pub use self::flow_control::FlowControl;
pub(crate) use self::guarded::guarded;
use self::pending_command::PendingCommand;
pub use self::request::{Accepted, Outcome, Rejected, Request};
use self::room::Room;
pub use self::room::{WAITING, WAITING_BYTES};
use self::scheduler::Scheduler;
pub use self::sequence::Sequence;
use crate::metrics;

/// Hands requests to the scheduler. A request that has started runs to its end, whether or not its
/// client waits. One that has not, or must start afresh, is dropped when its client is gone or its time is over.
pub struct Writer<A: Aggregate> {
    inbox: mpsc::Sender<PendingCommand<A>>,
    room: Room,
}

impl<A: Aggregate> Clone for Writer<A> {
    fn clone(&self) -> Self {
        Self { inbox: self.inbox.clone(), room: self.room.clone() }
    }
}

impl<A: Aggregate> Writer<A> {
    /// Starts the scheduler, which lives as long as a writer, and ends what was submitted; the handle
    /// ends with it. The part `commands` of the health is ready until the scheduler or a group ends by
    /// a fault.
    pub fn start(store: Arc<dyn EventStore>, health: Health) -> (Self, JoinHandle<()>) {
        Self::start_with(store, health, FlowControl::off())
    }

    /// The same, with groups held back while the views are behind.
    pub fn start_with(
        store: Arc<dyn EventStore>,
        health: Health,
        control: FlowControl,
    ) -> (Self, JoinHandle<()>) {
        let (inbox, requests) = mpsc::channel(WAITING);
        health.ready(scheduler::HEALTH_PART);
        let flow = Flow::start(control, store.clone(), health.clone());
        let scheduler = Scheduler::<A>::new(store, requests, health.clone(), flow);
        let scheduler = tokio::spawn(scheduler.run());
        let scheduler = tokio::spawn(async move {
            if let Err(error) = scheduler.await {
                scheduler::report_fault(&health, &error);
            }
        });
        (Self { inbox, room: Room::default() }, scheduler)
    }

    /// Turns a request away before the work of reading it, while there is no room: under overload most
    /// are. There is less of it for batches, and for each client.
    pub fn has_room(&self, of_batch: bool, client: Option<&Client>) -> Result<(), Rejected> {
        match self.room.is_full(of_batch, client) {
            true => Err(Rejected::Overloaded),
            false => Ok(()),
        }
    }

    /// Submits at once or not at all. Requests of one stream are carried out in the order of their
    /// submission.
    pub fn submit(&self, request: Request<A>) -> oneshot::Receiver<Outcome> {
        let (reply, outcome) = oneshot::channel();
        let Request { bytes, of_batch, ref client, .. } = request;
        let Some(place) = self.room.take(bytes, of_batch, client.as_ref()) else {
            drop(request.sequence.as_ref().map(Sequence::next)); // Those behind it are cut off.
            metrics::turned_away(request.kind);
            drop(reply.send(Err(Rejected::Overloaded)));
            return outcome;
        };
        // The inbox has room for all that have a place: it can only be closed.
        if let Err(error) = self.inbox.try_send(PendingCommand::new(request, reply, place)) {
            let why = "the service is stopping".to_owned();
            error.into_inner().answer(Err(Rejected::Unavailable(why)));
        }
        outcome
    }
}
