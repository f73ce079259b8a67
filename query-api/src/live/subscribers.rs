//! All streams of events that are open, and what they may take together.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use kernel::log::Position;
use shared::http::Client;

use super::budget::Budget;
use super::share::{Open, Share};
use super::subscriber::Subscriber;
use crate::metrics;

/// What all streams of events of the process may take.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Streams at a time.
    pub streams: usize,
    /// Of these, streams of one client: the others can still open some.
    pub of_one: usize,
    /// Bytes that wait for clients. What several streams share counts once.
    pub waiting: usize,
    /// Bytes of what clients that come back have missed, until they are told it; half of them for
    /// one client.
    pub missed: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { streams: 5_000, of_one: 2_500, waiting: 64 << 20, missed: 64 << 20 }
    }
}

pub struct Subscribers {
    bounds: Bounds,
    waiting: Arc<Budget>,
    missed: Arc<Budget>,
    all: HashMap<u64, (Subscriber, Open)>,
    /// Of the clients that are known. Those of clients that are gone are dropped once there are more
    /// than streams may be open.
    shares: HashMap<Client, Weak<Share>>,
    next: u64,
    /// A task tells them.
    pub are_told: bool,
}

impl Subscribers {
    pub fn new(bounds: Bounds, waiting: Arc<Budget>) -> Self {
        let (all, shares) = Default::default();
        let missed = Budget::new(bounds.missed);
        Self { bounds, waiting, missed, all, shares, next: 0, are_told: false }
    }

    /// Its number, and the share of its client; the error says why there is no place for it.
    pub fn add(
        &mut self,
        one: Subscriber,
        client: Option<Client>,
    ) -> Result<(u64, Arc<Share>), &'static str> {
        if self.all.len() >= self.bounds.streams {
            return Err("As many streams of events are open as may be.");
        }
        let share = self.share_of(client);
        let of_one = "This client has as many streams of events open as it may.";
        let open = share.open(self.bounds.of_one).ok_or(of_one)?;
        self.next += 1;
        self.all.insert(self.next, (one, open));
        Ok((self.next, share))
    }

    /// A stream of a client that is not known has one of its own.
    fn share_of(&mut self, client: Option<Client>) -> Arc<Share> {
        let Some(client) = client else { return Share::new(self.missed.clone()) };
        if self.shares.len() > self.bounds.streams {
            self.shares.retain(|_, share| share.strong_count() > 0);
        }
        if let Some(share) = self.shares.get(&client).and_then(Weak::upgrade) {
            return share;
        }
        let share = Share::new(self.missed.part(self.bounds.missed / 2));
        self.shares.insert(client, Arc::downgrade(&share));
        share
    }

    /// The client of this one is told first that the views are at this position.
    pub fn open(&self, number: u64, position: Position) {
        if let Some((one, _)) = self.all.get(&number) {
            one.open(position);
        }
    }

    pub fn remove(&mut self, number: u64) {
        self.all.remove(&number);
    }

    /// Their streams end.
    pub fn clear(&mut self) {
        self.all.clear();
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// How many views the one takes that takes most.
    pub fn takes(&self) -> usize {
        self.all.values().map(|(one, _)| one.takes()).max().unwrap_or(0)
    }

    /// So many views have changed and are not told, as none takes them.
    pub fn skip(&self, views: usize) {
        self.all.values().for_each(|(one, _)| one.skip(views));
    }

    /// Hands something to all, and lets go of those that can't take it. What waits for these is
    /// given up at once: their clients may leave it unread for long, and others need the room.
    pub fn tell(&mut self, tell: impl Fn(&Subscriber) -> bool) {
        self.tell_part((0, 1), tell);
    }

    /// The same to one of so many parts of them, which are counted from 0.
    pub fn tell_part(&mut self, (part, parts): (u32, u32), tell: impl Fn(&Subscriber) -> bool) {
        let (part, parts, mut gone) = (u64::from(part), u64::from(parts), vec![]);
        for (number, (one, _)) in self.all.iter().filter(|(number, _)| *number % parts == part) {
            if !tell(one) {
                one.cut();
                gone.push(*number);
            } else if self.waiting.is_exceeded() {
                gone.extend(self.cut_slowest());
            }
        }
        let before = self.all.len();
        gone.into_iter().for_each(|number| self.remove(number));
        let gone = before - self.all.len();
        if gone > 0 {
            metrics::LIVE_CUT.add(gone);
            tracing::debug!(gone, "streams of events were ended: their clients are too slow");
        }
    }

    /// There are some for which much waits, and which may soon have taken it.
    pub fn are_awaited(&self) -> bool {
        self.all.values().any(|(one, _)| one.is_awaited())
    }

    /// Those that are awaited still are so no longer, until they have taken what waits for them.
    pub fn end_wait(&self) {
        self.all.values().for_each(|(one, _)| one.end_wait());
    }

    /// Cuts off those whose first piece waits longest, until there is room: a client that reads has taken
    /// by now what others have not even begun with, however much it is told. There is room afterwards: what
    /// else is counted is the page that is being told, of some MiB. Returns their numbers.
    fn cut_slowest(&self) -> Vec<u64> {
        let first = |(number, (one, _)): (&u64, &(Subscriber, _))| Some((one.first()?, *number));
        let mut slowest: Vec<(u64, u64)> = self.all.iter().filter_map(first).collect();
        slowest.sort_unstable();
        let mut cut = vec![];
        for (_, number) in slowest {
            if self.waiting.has_room() {
                break;
            }
            if let Some((one, _)) = self.all.get(&number) {
                one.cut();
                cut.push(number);
            }
        }
        tracing::info!(streams = cut.len(), "streams of events were ended: too much waits for all");
        cut
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kernel::live::Filter;

    use super::super::queue::{Frame, Inbox, MAX_FRAMES};
    use super::super::subscriber::subscriber;
    use super::*;

    fn bounds() -> Bounds {
        Bounds { streams: 3, of_one: 2, waiting: 1_000, missed: 0 }
    }

    fn one() -> (Subscriber, Inbox) {
        subscriber(Filter::default(), true, None, false)
    }

    fn tell(all: &mut Subscribers, budget: &Arc<Budget>, bytes: usize) {
        let piece = || budget.piece(Bytes::from(vec![b'x'; bytes]));
        all.tell(|one| one.send(Frame { place: None, piece: piece() }));
    }

    #[test]
    fn a_client_has_so_many_places_and_gets_them_back() {
        let mut all = Subscribers::new(bounds(), Budget::new(1_000));
        let client = |name: &str| Some(Client::Principal(name.to_owned()));
        let (first, _) = all.add(one().0, client("a")).unwrap();
        all.add(one().0, client("a")).unwrap();
        let refused = |all: &mut Subscribers, name| all.add(one().0, client(name)).err().unwrap();
        assert!(refused(&mut all, "a").contains("This client"));
        all.remove(first);
        all.add(one().0, client("a")).unwrap();
        all.add(one().0, client("b")).unwrap();
        assert!(refused(&mut all, "b").contains("may be"));
        all.tell(|_| false);
        assert!(all.is_empty());
        for number in 0..100 {
            let (number, _) = all.add(one().0, client(&number.to_string())).unwrap();
            all.remove(number);
        }
        assert!(all.shares.len() < 10, "nothing is kept of those that left");
    }

    #[test]
    fn a_stream_that_was_let_go_takes_no_room_from_others() {
        let budget = Budget::new(1_000);
        let mut all = Subscribers::new(bounds(), budget.clone());
        let ((silent, _silent), (reads, _reads)) = (one(), one());
        all.add(silent, None).unwrap();
        (0..=MAX_FRAMES).for_each(|_| tell(&mut all, &budget, 3));
        assert!(all.is_empty(), "more pieces wait than may");
        all.add(reads, None).unwrap();
        tell(&mut all, &budget, 300);
        assert_eq!(all.all.len(), 1, "there is room for the one that is left");
    }

    #[tokio::test]
    async fn who_has_waited_longest_makes_room_and_who_reads_keeps_all() {
        let budget = Budget::new(1_000);
        let mut all = Subscribers::new(bounds(), budget.clone());
        let ((silent, _silent), (reads, mut inbox)) = (one(), one());
        all.add(silent, None).unwrap();
        all.add(reads, None).unwrap();
        let mut told = vec![];
        for bytes in [100, 300, 450] {
            tell(&mut all, &budget, bytes);
            let next = std::future::poll_fn(|cx| inbox.poll(cx)).await;
            told.push(next.unwrap().1.len());
        }
        assert_eq!((told, all.all.len()), (vec![100, 300, 450], 1), "the other one was cut off");
        assert!(budget.try_charge(1_000).is_some(), "what waited for it is given up");
    }
}
