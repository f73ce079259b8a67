//! A request on its way through the write side.

use kernel::aggregate::Aggregate;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::request::{Outcome, Rejected, Request};
use super::room::Place;
use super::sequence::{Link, Sequence};
use crate::metrics;

pub struct PendingCommand<A: Aggregate> {
    pub request: Request<A>,
    /// Its place in the order of submission, from 1 on: the queues give it, and until then it is 0.
    pub number: u64,
    /// Lost races and other fresh starts so far.
    pub attempts: u32,
    /// Of them those because its position was taken.
    pub collisions: u32,
    /// Nothing was tried of it in the group that it was in last.
    pub untried: bool,
    reply: oneshot::Sender<Outcome>,
    place: Place,
    link: Option<Link>,
}

impl<A: Aggregate> PendingCommand<A> {
    pub fn new(request: Request<A>, reply: oneshot::Sender<Outcome>, place: Place) -> Self {
        let link = request.sequence.as_ref().map(Sequence::next);
        Self { request, number: 0, attempts: 0, collisions: 0, untried: false, reply, place, link }
    }

    /// Whether it depends on the outcome of another command of its request.
    pub fn depends(&self) -> bool {
        self.link.as_ref().is_some_and(Link::depends)
    }

    /// Tells its sequence of the outcome: before the next command of the stream can start.
    pub fn conclude(&mut self, outcome: &Outcome) {
        if let Some(link) = self.link.take() {
            link.conclude(outcome);
        }
    }

    /// Gives its room back first: the client may send the next command as soon as it is answered.
    pub fn answer(mut self, outcome: Outcome) {
        self.conclude(&outcome);
        metrics::answered(self.request.kind, &outcome);
        let Self { reply, place, .. } = self;
        drop(place);
        drop(reply.send(outcome)); // The client may be gone: it is done all the same.
    }

    /// Whether its client is gone, or was told already that the outcome is unknown.
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    /// Why it is not to be started any more. Nothing was written of it.
    pub fn given_up(&self) -> Option<Rejected> {
        if self.link.as_ref().is_some_and(Link::is_cut_off) {
            return Some(Rejected::NotAttempted);
        }
        let why = if self.is_abandoned() {
            "the client is gone"
        } else if self.request.start_by <= Instant::now() {
            "it could not be started in time; try again"
        } else {
            return None;
        };
        Some(Rejected::Unavailable(why.to_owned()))
    }
}
