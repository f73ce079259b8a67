//! One stream of events, as the hub sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use kernel::live::Filter;
use shared::view_store::Place;
use tokio::sync::mpsc;

use super::EventId;
use super::event::{Changed, frame};

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
    sender: mpsc::Sender<Frame>,
    queued: Arc<AtomicUsize>,
}

/// The other end.
pub struct Inbox {
    receiver: mpsc::Receiver<Frame>,
    queued: Arc<AtomicUsize>,
}

pub fn subscriber(filter: Filter, with_views: bool) -> (Subscriber, Inbox) {
    let (sender, receiver) = mpsc::channel(MAX_FRAMES);
    let queued = Arc::<AtomicUsize>::default();
    let subscriber = Subscriber { filter, with_views, sender, queued: queued.clone() };
    (subscriber, Inbox { receiver, queued })
}

impl Subscriber {
    /// Hands on what fits its filter; false when the client is gone, or too slow.
    pub fn tell(&self, page: &Page<'_>) -> bool {
        let bytes = match self.filter.is_empty() {
            true => page.whole(self.with_views),
            false => page.fitting(&self.filter, self.with_views),
        };
        bytes.is_empty() || self.send(Frame { place: Some(page.place), bytes })
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
    whole: [std::cell::OnceCell<Bytes>; 2],
}

impl<'a> Page<'a> {
    pub fn new(changed: &'a [Changed], place: Place, id: Option<&'a EventId>) -> Self {
        Self { changed, place, id, whole: Default::default() }
    }

    /// All of it, which most streams share.
    fn whole(&self, with_views: bool) -> Bytes {
        let all = || {
            let events: Vec<&Bytes> = self.changed.iter().map(|it| it.bytes(with_views)).collect();
            frame(&events, self.id)
        };
        self.whole[usize::from(with_views)].get_or_init(all).clone()
    }

    pub fn fitting(&self, filter: &Filter, with_views: bool) -> Bytes {
        let fits = self.changed.iter().filter(|changed| filter.fits(&changed.facets));
        let events: Vec<&Bytes> = fits.map(|changed| changed.bytes(with_views)).collect();
        frame(&events, self.id)
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
        let (slow, _inbox) = subscriber(Filter::default(), true);
        assert!((0..MAX_FRAMES).all(|_| slow.send(piece(1))));
        assert!(!slow.send(piece(1)), "too many pieces");
        let (slow, _inbox) = subscriber(Filter::default(), true);
        assert!(slow.send(piece(2 * MAX_BYTES)), "alone it may wait");
        assert!(!slow.send(piece(1)), "too many bytes");
    }

    #[tokio::test]
    async fn what_a_client_has_taken_counts_no_more() {
        let (quick, mut inbox) = subscriber(Filter::default(), true);
        for _ in 0..3 * MAX_FRAMES {
            assert!(quick.send(piece(MAX_BYTES)));
            let taken = std::future::poll_fn(|cx| inbox.poll(cx)).await;
            assert_eq!(taken.map(|frame| frame.bytes.len()), Some(MAX_BYTES));
        }
        drop(inbox);
        assert!(!quick.send(piece(1)), "it is gone");
    }
}
