//! One stream of events, as the hub sees it.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use kernel::live::{Facet, Filter};
use shared::view_store::Place;
use tokio::sync::mpsc;

use super::EventId;
use super::allowance::Allowance;
use super::event::{self, Changed, frame};

/// Pieces that a client may be behind, and their bytes; one that is larger may wait alone.
const MAX_FRAMES: usize = 256;
const MAX_BYTES: usize = 4 << 20;

/// Events in one piece.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Everything up to here is told with it; none for a reset, after which places begin anew.
    pub place: Option<Place>,
    pub bytes: Bytes,
}

pub struct Subscriber {
    filter: Filter,
    with_views: bool,
    allowance: Option<Allowance>,
    sender: mpsc::Sender<Frame>,
    queued: Arc<AtomicUsize>,
}

/// The other end.
pub struct Inbox {
    receiver: mpsc::Receiver<Frame>,
    queued: Arc<AtomicUsize>,
}

pub fn subscriber(
    filter: Filter,
    with_views: bool,
    allowance: Option<Allowance>,
) -> (Subscriber, Inbox) {
    let (sender, receiver) = mpsc::channel(MAX_FRAMES);
    let queued = Arc::<AtomicUsize>::default();
    let subscriber = Subscriber { filter, with_views, allowance, sender, queued: queued.clone() };
    (subscriber, Inbox { receiver, queued })
}

impl Subscriber {
    /// Hands on what fits its filter; false when the client is gone, or too slow.
    pub fn tell(&self, page: &Page<'_>) -> bool {
        let bytes = match &self.allowance {
            None => page.fitting(&self.filter, self.with_views),
            Some(allowance) => page.allowed(&self.filter, self.with_views, allowance),
        };
        bytes.is_empty() || self.send(Frame { place: Some(page.place), bytes })
    }

    /// How many views of any kind it would be told now.
    pub fn takes(&self) -> usize {
        let allowance = self.allowance.as_ref().filter(|_| self.filter.is_empty());
        allowance.map_or(usize::MAX, Allowance::left)
    }

    /// Tells how many views it was not told; false when the client is gone, or too slow.
    pub fn tell_skipped(&self, place: Place) -> bool {
        let skipped = self.allowance.as_ref().map_or(0, Allowance::skipped);
        let event = (skipped > 0).then(|| event::skipped(skipped).ok()).flatten();
        event.is_none_or(|bytes| self.send(Frame { place: Some(place), bytes }))
    }

    /// False when the client is gone, or too slow.
    pub fn send(&self, frame: Frame) -> bool {
        let (bytes, queued) = (frame.bytes.len(), self.queued.load(Ordering::Relaxed));
        if queued > 0 && queued + bytes > MAX_BYTES {
            return false;
        }
        self.queued.fetch_add(bytes, Ordering::Relaxed);
        self.sender.try_send(frame).is_ok()
    }
}

impl Inbox {
    /// The next piece; none once the hub has let go of the stream and everything is taken.
    pub fn poll(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Option<Frame>> {
        let next = self.receiver.poll_recv(cx);
        if let std::task::Poll::Ready(Some(frame)) = &next {
            self.queued.fetch_sub(frame.bytes.len(), Ordering::Relaxed);
        }
        next
    }
}

/// Views that changed, told together.
pub struct Page<'a> {
    pub changed: &'a [Changed],
    /// Everything up to here is told once all pages are.
    pub place: Place,
    /// Of the last page.
    pub id: Option<&'a EventId>,
    /// Views that have changed and are not loaded, since no client takes them.
    pub skipped: usize,
    /// Of all views: most of many streams want none of them, which is seen by one look.
    facets: HashSet<&'a Facet>,
    /// What was written for a filter, without and with views: streams with the same one share it, so
    /// that what waits for many slow clients is in memory once.
    written: [RefCell<HashMap<Filter, Bytes>>; 2],
}

impl<'a> Page<'a> {
    pub fn new(changed: &'a [Changed], place: Place, id: Option<&'a EventId>) -> Self {
        let facets = changed.iter().flat_map(|changed| &changed.facets).collect();
        Self { changed, place, id, skipped: 0, facets, written: Default::default() }
    }

    /// As many of those that fit the filter as the client may be told.
    fn allowed(&self, filter: &Filter, with_views: bool, allowance: &Allowance) -> Bytes {
        let fits = self.changed.iter().filter(|changed| filter.fits(&changed.facets));
        let mut events: Vec<&Bytes> = fits.map(|changed| changed.bytes(with_views)).collect();
        events.truncate(allowance.take(events.len()));
        allowance.skip(self.skipped);
        frame(&events, self.id)
    }

    /// What fits the filter; empty when nothing does.
    pub fn fitting(&self, filter: &Filter, with_views: bool) -> Bytes {
        if !filter.may_fit(&self.facets) {
            return Bytes::new();
        }
        let mut written = self.written[usize::from(with_views)].borrow_mut();
        if let Some(bytes) = written.get(filter) {
            return bytes.clone();
        }
        let fits = self.changed.iter().filter(|changed| filter.fits(&changed.facets));
        let events: Vec<&Bytes> = fits.map(|changed| changed.bytes(with_views)).collect();
        let bytes = frame(&events, self.id);
        written.insert(filter.clone(), bytes.clone());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(bytes: usize) -> Frame {
        Frame { place: None, bytes: vec![b'x'; bytes].into() }
    }

    #[tokio::test]
    async fn a_client_that_is_too_slow_by_pieces_or_by_bytes_is_told() {
        let (slow, _inbox) = subscriber(Filter::default(), true, None);
        assert!((0..MAX_FRAMES).all(|_| slow.send(piece(1))));
        assert!(!slow.send(piece(1)), "too many pieces");
        let (slow, _inbox) = subscriber(Filter::default(), true, None);
        assert!(slow.send(piece(2 * MAX_BYTES)), "alone it may wait");
        assert!(!slow.send(piece(1)), "too many bytes");
    }

    #[tokio::test]
    async fn clients_with_the_same_filter_share_what_waits_for_them() {
        let facets = vec![("colour", "red".to_owned())];
        let changed = [Changed::of_facets(facets)];
        let page = Page::new(&changed, Place(1, 0), None);
        let red = Filter::default().with("colour", Some("red"));
        let blue = Filter::default().with("colour", Some("blue"));
        let one = page.fitting(&red, true);
        assert!(!one.is_empty());
        assert_eq!(one.as_ptr(), page.fitting(&red.clone(), true).as_ptr());
        assert_ne!(one, page.fitting(&red, false));
        assert_eq!(one, page.fitting(&Filter::default(), true));
        assert!(page.fitting(&blue, true).is_empty());
    }

    #[tokio::test]
    async fn what_a_client_has_taken_counts_no_more() {
        let (quick, mut inbox) = subscriber(Filter::default(), true, None);
        for _ in 0..3 * MAX_FRAMES {
            assert!(quick.send(piece(MAX_BYTES)));
            let taken = std::future::poll_fn(|cx| inbox.poll(cx)).await;
            assert_eq!(taken.map(|frame| frame.bytes.len()), Some(MAX_BYTES));
        }
        drop(inbox);
        assert!(!quick.send(piece(1)), "it is gone");
    }
}
