//! What waits for one client.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use shared::view_store::Place;

use super::budget::Piece;

/// Pieces that a client may be behind.
pub const MAX_FRAMES: usize = 256;
/// The same of a client that resumes, until it has taken nearly all that waits for it: it is told
/// first what it missed.
pub const MAX_FRAMES_BEHIND: usize = 2_048;
/// Bytes of pieces that a client may be behind; one that is larger may wait alone.
pub const MAX_BYTES: usize = 4 << 20;
/// Where no more waits, there is room for what one read of views returns.
const FEW_BYTES: usize = MAX_BYTES / 4;

/// Events in one piece.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Everything up to here is told with it; none for a reset, after which places begin anew.
    pub place: Option<Place>,
    pub piece: Piece,
}

/// The end of the hub.
#[derive(Debug, Clone)]
pub struct Queue(Arc<Mutex<State>>);

/// The end of the client.
#[derive(Debug)]
pub struct Inbox(Queue);

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Frame>,
    /// Of all frames.
    bytes: usize,
    /// So many frames may wait.
    most: usize,
    /// Of the first frame these are handed on.
    handed: usize,
    /// It was waited for in vain, and more than `FEW_BYTES` have waited for it ever since.
    is_slow: bool,
    is_closed: bool,
    waker: Option<Waker>,
}

impl Queue {
    /// So many frames may wait; `MAX_FRAMES`, once the client has taken all but half of these.
    pub fn new(most: usize) -> (Self, Inbox) {
        let state = State { most, ..State::default() };
        let queue = Self(Arc::new(Mutex::new(state)));
        (queue.clone(), Inbox(queue))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False when it is closed, or too much waits already.
    pub fn push(&self, frame: Frame) -> bool {
        let mut state = self.state();
        let bytes = state.bytes + frame.piece.len();
        let is_full = state.frames.len() >= state.most || (state.bytes > 0 && bytes > MAX_BYTES);
        if state.is_closed || is_full {
            return false;
        }
        state.bytes = bytes;
        state.frames.push_back(frame);
        let waker = state.waker.take();
        drop(state);
        waker.inspect(Waker::wake_by_ref);
        true
    }

    /// Which piece waits longest, by its number; none when nothing waits.
    pub fn first(&self) -> Option<u64> {
        self.state().frames.front().map(|frame| frame.piece.number())
    }

    /// The client may soon have room again: more than `FEW_BYTES` wait, and it is not known to be slow.
    pub fn is_awaited(&self) -> bool {
        let state = self.state();
        state.bytes > FEW_BYTES && !state.is_slow
    }

    /// It was waited for: where still much waits, it is not awaited again until it has taken that.
    pub fn end_wait(&self) {
        let mut state = self.state();
        state.is_slow = state.bytes > FEW_BYTES;
    }

    /// The stream ends behind what waits.
    pub fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        let waker = state.waker.take();
        drop(state);
        waker.inspect(Waker::wake_by_ref);
    }

    /// The stream ends, and what waits is given up.
    pub fn cut(&self) {
        let frames = {
            let mut state = self.state();
            (state.bytes, state.handed) = (0, 0);
            std::mem::take(&mut state.frames)
        };
        drop(frames);
        self.close();
    }
}

impl Inbox {
    /// The next bytes, and the place of their frame; none once the hub has let go of the stream and
    /// everything is taken.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<(Option<Place>, Bytes)>> {
        let mut state = self.0.state();
        let Some(Frame { place, piece }) = state.frames.front().cloned() else {
            if state.is_closed {
                return Poll::Ready(None);
            }
            state.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        let chunk = piece.chunk(state.handed);
        state.handed += chunk.len();
        if state.handed >= piece.len() {
            state.frames.pop_front();
            state.bytes -= piece.len();
            state.handed = 0;
            state.is_slow &= state.bytes > FEW_BYTES;
            if state.frames.len() <= MAX_FRAMES / 2 {
                state.most = MAX_FRAMES;
            }
        }
        Poll::Ready(Some((place, chunk)))
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.0.cut();
    }
}

#[cfg(test)]
mod tests {
    use super::super::budget::Budget;
    use super::*;

    fn piece(bytes: usize) -> Frame {
        Frame { place: None, piece: Budget::new(0).piece(vec![b'x'; bytes].into()) }
    }

    async fn taken(inbox: &mut Inbox) -> Option<usize> {
        std::future::poll_fn(|cx| inbox.poll(cx)).await.map(|(_, bytes)| bytes.len())
    }

    #[test]
    fn a_client_that_is_too_slow_by_pieces_or_by_bytes_is_told() {
        let (slow, _inbox) = Queue::new(MAX_FRAMES);
        assert!((0..MAX_FRAMES).all(|_| slow.push(piece(1))));
        assert!(!slow.push(piece(1)), "too many pieces");
        let (slow, _inbox) = Queue::new(MAX_FRAMES);
        assert!(slow.push(piece(2 * MAX_BYTES)), "alone it may wait");
        assert!(!slow.push(piece(1)), "too many bytes");
    }

    #[tokio::test]
    async fn a_client_that_catches_up_has_more_room_until_it_has_done_so() {
        let (behind, mut inbox) = Queue::new(MAX_FRAMES_BEHIND);
        assert!((0..MAX_FRAMES_BEHIND).all(|_| behind.push(piece(1))));
        assert!(!behind.push(piece(1)), "it has its bound, too");
        for _ in MAX_FRAMES / 2 + 1..MAX_FRAMES_BEHIND {
            assert_eq!(taken(&mut inbox).await, Some(1));
            assert!(behind.push(piece(1)) && taken(&mut inbox).await.is_some());
        }
        assert_eq!(taken(&mut inbox).await, Some(1));
        assert!((0..MAX_FRAMES / 2).all(|_| behind.push(piece(1))));
        assert!(!behind.push(piece(1)), "from now on it is as all others");
    }

    #[tokio::test]
    async fn what_a_client_has_taken_counts_no_more() {
        let (quick, mut inbox) = Queue::new(MAX_FRAMES);
        for _ in 0..3 * MAX_FRAMES {
            assert!(quick.push(piece(1_000)));
            assert_eq!(taken(&mut inbox).await, Some(1_000));
        }
        assert!(quick.push(piece(MAX_BYTES)));
        let mut bytes = 0;
        while bytes < MAX_BYTES {
            assert!(!quick.push(piece(1)), "a part of it waits");
            bytes += taken(&mut inbox).await.unwrap();
        }
        assert!(quick.push(piece(1)));
        drop(inbox);
        assert!(!quick.push(piece(1)), "it is gone");
    }

    #[tokio::test]
    async fn a_client_is_awaited_once_until_it_has_taken_what_waits() {
        let (queue, mut inbox) = Queue::new(MAX_FRAMES);
        assert!(queue.push(piece(FEW_BYTES)));
        assert!(!queue.is_awaited(), "it has room");
        queue.end_wait();
        assert!(queue.push(piece(1)));
        assert!(queue.is_awaited(), "it had room when a wait ended before");
        queue.end_wait();
        assert!(queue.push(piece(1)));
        assert!(!queue.is_awaited(), "it was waited for in vain");
        let mut bytes = 0;
        while bytes < FEW_BYTES {
            bytes += taken(&mut inbox).await.unwrap();
        }
        assert!(!queue.is_awaited(), "it has room");
        assert!(queue.push(piece(2 * FEW_BYTES)));
        assert!(queue.is_awaited(), "it has shown that it reads");
    }

    #[tokio::test]
    async fn a_stream_that_ends_keeps_what_waits_and_one_that_is_cut_does_not() {
        for is_cut in [false, true] {
            let (queue, mut inbox) = Queue::new(MAX_FRAMES);
            assert!(queue.push(piece(1)) && queue.push(piece(2)));
            assert_eq!(taken(&mut inbox).await, Some(1));
            match is_cut {
                true => queue.cut(),
                false => {
                    queue.close();
                    assert_eq!(taken(&mut inbox).await, Some(2));
                }
            }
            assert_eq!((taken(&mut inbox).await, queue.push(piece(1))), (None, false));
        }
    }

    #[tokio::test]
    async fn a_client_that_waits_is_woken_by_what_comes_and_by_the_end() {
        let (queue, mut inbox) = Queue::new(MAX_FRAMES);
        let client =
            tokio::spawn(async move { (taken(&mut inbox).await, taken(&mut inbox).await) });
        tokio::task::yield_now().await;
        assert!(queue.push(piece(1)));
        tokio::task::yield_now().await;
        queue.close();
        assert_eq!(client.await.unwrap(), (Some(1), None));
    }
}
