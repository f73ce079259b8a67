//! One stream of events, as the hub sees it.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use kernel::live::{Facet, Filter};
use kernel::log::Position;
use shared::view_store::Place;

use super::EventId;
use super::allowance::Allowance;
use super::budget::{Budget, Piece};
use super::event::{self, Changed, frame};
use super::queue::{Frame, Inbox, MAX_FRAMES, MAX_FRAMES_BEHIND, Queue};

pub struct Subscriber {
    filter: Filter,
    with_views: bool,
    allowance: Option<Allowance>,
    queue: Queue,
    /// The checkpoint that it was told first, which it is not told to go back behind; none before that.
    first: Cell<Option<Position>>,
}

/// One that `resumes` is told first what it missed, and more may wait for it until then.
pub fn subscriber(
    filter: Filter,
    with_views: bool,
    allowance: Option<Allowance>,
    resumes: bool,
) -> (Subscriber, Inbox) {
    let (queue, inbox) = Queue::new(if resumes { MAX_FRAMES_BEHIND } else { MAX_FRAMES });
    (Subscriber { filter, with_views, allowance, queue, first: Cell::new(None) }, inbox)
}

impl Subscriber {
    /// It is told that the views are at this position; from now on it is told where they are next.
    pub fn open(&self, position: Position) {
        self.first.set(Some(position));
    }

    /// Whether it is told that the views are at this position. That may have been read before it was
    /// told its first one. Later ones may be lower, as Redis may lose its last seconds.
    pub fn takes_checkpoint(&self, position: Position) -> bool {
        let takes = self.first.get().is_some_and(|first| position >= first);
        if takes {
            self.open(Position::MIN);
        }
        takes
    }

    /// Hands on what fits its filter; false when the client is gone, or too slow.
    pub fn tell(&self, page: &Page<'_>) -> bool {
        let piece = match &self.allowance {
            None => page.fitting(&self.filter, self.with_views),
            Some(allowance) => page.allowed(&self.filter, self.with_views, allowance),
        };
        piece.is_none_or(|piece| self.send(Frame { place: Some(page.place), piece }))
    }

    /// How many views of any kind it would be told now.
    pub fn takes(&self) -> usize {
        let allowance = self.allowance.as_ref().filter(|_| self.filter.is_empty());
        allowance.map_or(usize::MAX, Allowance::left)
    }

    /// So many views that it might have been told have changed, and are not loaded.
    pub fn skip(&self, views: usize) {
        if let Some(allowance) = &self.allowance {
            allowance.skip(views);
        }
    }

    /// Tells how many views it was not told; false when the client is gone, or too slow.
    pub fn tell_skipped(&self, place: Place, budget: &Arc<Budget>) -> bool {
        let skipped = self.allowance.as_ref().map_or(0, Allowance::skipped);
        let event = (skipped > 0).then(|| event::skipped(skipped).ok()).flatten();
        let frame = |bytes| Frame { place: Some(place), piece: budget.piece(bytes) };
        event.is_none_or(|bytes| self.send(frame(bytes)))
    }

    /// False when the client is gone, or too slow.
    pub fn send(&self, frame: Frame) -> bool {
        self.queue.push(frame)
    }

    /// Which piece waits longest for the client; none when nothing waits.
    pub fn first(&self) -> Option<u64> {
        self.queue.first()
    }

    /// Much waits for the client, which may soon have taken it.
    pub fn is_awaited(&self) -> bool {
        self.queue.is_awaited()
    }

    /// It was waited for: one for which much waits is not awaited again until it has taken that.
    pub fn end_wait(&self) {
        self.queue.end_wait();
    }

    /// Ends the stream at once: the client resumes behind what it was told.
    pub fn cut(&self) {
        self.queue.cut();
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Views that changed, told together.
pub struct Page<'a> {
    pub changed: &'a [Changed],
    /// Everything up to here is told once all pages are.
    pub place: Place,
    /// Of the last page.
    pub id: Option<&'a EventId>,
    /// Of all views: most of many streams want none of them, which is seen by one look.
    facets: HashSet<&'a Facet>,
    /// What was written for a filter, without and with views: streams with the same one share it, so
    /// that what waits for many slow clients is in memory once.
    written: [RefCell<HashMap<Filter, Option<Piece>>>; 2],
    budget: &'a Arc<Budget>,
}

impl<'a> Page<'a> {
    pub fn new(
        changed: &'a [Changed],
        place: Place,
        id: Option<&'a EventId>,
        budget: &'a Arc<Budget>,
    ) -> Self {
        let facets = changed.iter().flat_map(|changed| &changed.facets).collect();
        Self { changed, place, id, facets, written: Default::default(), budget }
    }

    /// As many of those that fit the filter as the client may be told.
    fn allowed(&self, filter: &Filter, with_views: bool, allowance: &Allowance) -> Option<Piece> {
        if !filter.may_fit(&self.facets) {
            return None;
        }
        let mut events = self.events(filter, with_views);
        let told = allowance.take(events.len());
        if told == events.len() {
            return self.fitting(filter, with_views);
        }
        events.truncate(told);
        self.piece(&events)
    }

    /// What fits the filter; none when nothing does.
    pub fn fitting(&self, filter: &Filter, with_views: bool) -> Option<Piece> {
        if !filter.may_fit(&self.facets) {
            return None;
        }
        let written = &self.written[usize::from(with_views)];
        if let Some(piece) = written.borrow().get(filter) {
            return piece.clone();
        }
        let piece = self.piece(&self.events(filter, with_views));
        written.borrow_mut().insert(filter.clone(), piece.clone());
        piece
    }

    fn events(&self, filter: &Filter, with_views: bool) -> Vec<&Bytes> {
        let fits = self.changed.iter().filter(|changed| filter.fits(&changed.facets));
        fits.map(|changed| changed.bytes(with_views)).collect()
    }

    /// Where too much waits by now, what was written before is no longer shared with streams to
    /// come: to cut off those that have it makes room only once this page has not got it either.
    fn piece(&self, events: &[&Bytes]) -> Option<Piece> {
        let piece = (!events.is_empty()).then(|| self.budget.piece(frame(events, self.id)));
        if self.budget.is_exceeded() {
            self.written.iter().for_each(|written| written.borrow_mut().clear());
        }
        piece
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_keeps_nothing_for_others_once_too_much_waits() {
        let of_colour = |colour: &str| Changed::of_facets(vec![("colour", colour.to_owned())]);
        let changed = ["red", "blue"].map(of_colour);
        let bytes = changed[0].bytes(true).len();
        let budget = Budget::new(bytes);
        let page = Page::new(&changed, Place(1, 0), None, &budget);
        let told =
            |colour: &str| page.fitting(&Filter::default().with("colour", Some(colour)), true);
        drop(told("red")); // The only stream with this filter was cut off.
        let blue = told("blue");
        assert!(blue.is_some() && !budget.is_exceeded());
        drop(blue);
        assert!(budget.try_charge(1).is_none(), "it is kept for other streams");
    }

    #[tokio::test]
    async fn clients_with_the_same_filter_share_what_waits_for_them() {
        let facets = vec![("colour", "red".to_owned())];
        let changed = [Changed::of_facets(facets)];
        let budget = Budget::new(0);
        let page = Page::new(&changed, Place(1, 0), None, &budget);
        let red = Filter::default().with("colour", Some("red"));
        let blue = Filter::default().with("colour", Some("blue"));
        let one = page.fitting(&red, true).unwrap();
        let is_shared =
            |with: Option<Piece>| one.bytes().as_ptr() == with.unwrap().bytes().as_ptr();
        assert!(!one.bytes().is_empty());
        assert!(is_shared(page.fitting(&red.clone(), true)));
        assert!(is_shared(page.allowed(&red, true, &Allowance::new(1))), "all of it is allowed");
        assert_ne!(one.bytes(), page.fitting(&red, false).unwrap().bytes());
        assert_eq!(one.bytes(), page.fitting(&Filter::default(), true).unwrap().bytes());
        assert!(page.fitting(&blue, true).is_none());
    }
}
