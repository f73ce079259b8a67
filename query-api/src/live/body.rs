//! The body of a stream of events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use shared::auth::Caller;
use shared::view_store::Place;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::budget::Piece;
use super::catch_up::Missed;
use super::event::ALIVE;
use super::hub::Subscription;
use super::queue::Inbox;

/// A silent stream says so often that it is alive, so that neither side nor a proxy takes it for a dead one.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// For so long a client that was known is taken to be known.
const KNOWN_INTERVAL: Duration = Duration::from_secs(1);

/// The events of one client, as the body of its answer.
pub struct Body {
    /// What comes before all else.
    first: VecDeque<Bytes>,
    /// What the client missed, until all of it is told.
    missed: Option<mpsc::Receiver<Missed>>,
    /// What is handed on of that, and how far it is.
    handed: Option<(Piece, usize)>,
    /// Everything up to here is told by the above.
    told: Option<Place>,
    inbox: Inbox,
    /// Set anew only when it is over, as that takes a lock that all streams share.
    keep_alive: Interval,
    /// When something was handed on last.
    latest: Instant,
    caller: Caller,
    /// When it was last known who the client is.
    known: Instant,
    /// Finds that out, where it takes the check of a signature.
    check: Option<JoinHandle<Option<Caller>>>,
    _subscription: Subscription,
}

impl Body {
    pub(crate) fn new(
        first: Vec<Bytes>,
        missed: Option<(Place, mpsc::Receiver<Missed>)>,
        inbox: Inbox,
        subscription: Subscription,
    ) -> Self {
        let (told, missed) = missed.unzip();
        let begin = Instant::now() + KEEP_ALIVE_INTERVAL;
        let mut keep_alive = interval_at(begin, KEEP_ALIVE_INTERVAL);
        keep_alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            first: first.into(),
            missed,
            handed: None,
            told,
            inbox,
            keep_alive,
            latest: Instant::now(),
            caller: Caller::default(),
            known: Instant::now(),
            check: None,
            _subscription: subscription,
        }
    }

    /// Ends once the credential of the client is expired or revoked: before the next event that comes
    /// more than a second after that, at the latest when a silent one would say that it is alive.
    pub(crate) fn while_known(self, caller: Caller) -> Self {
        Self { caller, ..self }
    }

    /// Whether the client is known still. It is told nothing while its signature is checked.
    fn poll_known(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if self.check.is_none() {
            if self.known.elapsed() < KNOWN_INTERVAL {
                return Poll::Ready(true);
            }
            self.known = Instant::now();
            if let Some(is_known) = self.caller.is_still_known() {
                return Poll::Ready(is_known);
            }
        }
        let begin = || tokio::spawn(self.caller.clone().again());
        let checked = ready!(Pin::new(self.check.get_or_insert_with(begin)).poll(cx));
        self.check = None;
        let Ok(Some(caller)) = checked else { return Poll::Ready(false) };
        self.caller = caller;
        Poll::Ready(true)
    }

    fn poll_events(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(first) = self.first.pop_front() {
            return Poll::Ready(Some(first));
        }
        if let Some(missed) = &mut self.missed {
            if self.handed.is_none() {
                match missed.poll_recv(cx) {
                    Poll::Ready(Some(Missed::Events(piece))) => self.handed = Some((piece, 0)),
                    Poll::Ready(Some(Missed::End)) => self.missed = None,
                    // The stream ends here, and the client resumes from its last event.
                    Poll::Ready(None) => return Poll::Ready(None),
                    Poll::Pending => return Poll::Pending,
                }
            }
            if let Some((piece, from)) = &mut self.handed {
                let chunk = piece.chunk(*from);
                *from += chunk.len();
                if *from >= piece.len() {
                    self.handed = None;
                }
                return Poll::Ready(Some(chunk));
            }
        }
        loop {
            match self.inbox.poll(cx) {
                Poll::Ready(Some((place, _))) if place.is_some() && place <= self.told => {}
                Poll::Ready(next) => {
                    self.told = None;
                    return Poll::Ready(next.map(|(_, bytes)| bytes));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Stream for Body {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !ready!(self.poll_known(cx)) {
            return Poll::Ready(None);
        }
        if let Poll::Ready(bytes) = self.poll_events(cx) {
            self.latest = Instant::now();
            return Poll::Ready(bytes.map(Ok));
        }
        while self.keep_alive.poll_tick(cx).is_ready() {
            let due = self.latest + KEEP_ALIVE_INTERVAL;
            if Instant::now() >= due {
                self.latest = Instant::now();
                return Poll::Ready(Some(Ok(Bytes::from_static(ALIVE))));
            }
            self.keep_alive.reset_at(due);
        }
        Poll::Pending
    }
}
