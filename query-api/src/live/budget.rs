//! Memory for what waits for clients, counted over all streams of events of the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;

/// Of a larger piece so many bytes are handed to the connection at a time, as a copy: what a connection
/// was handed is in memory until its client has taken it, and a part of a piece would keep all of it.
const CHUNK: usize = 32 << 10;

/// So many bytes may wait at a time.
#[derive(Debug)]
pub struct Budget {
    most: usize,
    used: AtomicUsize,
    pieces: AtomicU64,
    /// What is counted here is counted there, too.
    whole: Option<Arc<Budget>>,
}

/// Bytes that are counted until this is dropped.
#[derive(Debug)]
pub struct Charge {
    budget: Arc<Budget>,
    bytes: usize,
}

/// Events in one piece: counted once, however many streams share it, until the last of them is done with
/// it.
#[derive(Debug, Clone)]
pub struct Piece(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    bytes: Bytes,
    number: u64,
    _charge: Charge,
}

impl Budget {
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self::of(most, None))
    }

    /// A part of it: it is exceeded when so many bytes wait of it, or too many of the whole.
    pub fn part(self: &Arc<Self>, most: usize) -> Arc<Self> {
        Arc::new(Self::of(most, Some(self.clone())))
    }

    fn of(most: usize, whole: Option<Arc<Self>>) -> Self {
        Self { most, used: AtomicUsize::new(0), pieces: AtomicU64::new(0), whole }
    }

    /// This one, and the whole that it is a part of.
    fn and_whole(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |budget| budget.whole.as_deref())
    }

    /// Counts them, too many or not.
    fn charge(self: &Arc<Self>, bytes: usize) -> Charge {
        for budget in self.and_whole() {
            budget.used.fetch_add(bytes, Ordering::Relaxed);
        }
        Charge { budget: self.clone(), bytes }
    }

    /// Counts them, unless they are too many.
    pub fn try_charge(self: &Arc<Self>, bytes: usize) -> Option<Charge> {
        let charge = self.charge(bytes);
        (!self.is_exceeded()).then_some(charge)
    }

    /// Counts a piece, too large or not.
    pub fn piece(self: &Arc<Self>, bytes: Bytes) -> Piece {
        let _charge = self.charge(bytes.len());
        let number = self.pieces.fetch_add(1, Ordering::Relaxed);
        Piece(Arc::new(Counted { bytes, number, _charge }))
    }

    pub fn is_exceeded(&self) -> bool {
        self.and_whole().any(|budget| budget.used.load(Ordering::Relaxed) > budget.most)
    }

    /// An eighth is free: who makes room makes as much, so that this is not done for every piece.
    pub fn has_room(&self) -> bool {
        self.used.load(Ordering::Relaxed) <= self.most - self.most / 8
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        for budget in self.budget.and_whole() {
            budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

impl Piece {
    pub fn len(&self) -> usize {
        self.0.bytes.len()
    }

    /// Later pieces have greater numbers.
    pub fn number(&self) -> u64 {
        self.0.number
    }

    /// What is handed on at a time, from this byte on.
    pub fn chunk(&self, from: usize) -> Bytes {
        let bytes = &self.0.bytes;
        if bytes.len() <= CHUNK {
            return bytes.slice(from.min(bytes.len())..);
        }
        let (from, to) = (from.min(bytes.len()), from.saturating_add(CHUNK).min(bytes.len()));
        Bytes::copy_from_slice(&bytes[from..to])
    }

    #[cfg(test)]
    pub fn bytes(&self) -> &Bytes {
        &self.0.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_counted_once_until_none_has_it_any_more() {
        let budget = Budget::new(100);
        let piece = budget.piece(vec![b'x'; 100].into());
        let shared = piece.clone();
        assert!(!budget.is_exceeded() && !budget.has_room());
        assert!(budget.try_charge(1).is_none());
        drop(piece);
        assert!(budget.try_charge(1).is_none(), "another stream has it");
        drop(shared);
        assert!(budget.has_room());
        let charge = budget.try_charge(100).unwrap();
        let more = budget.piece(Bytes::from_static(b"x"));
        assert!(budget.is_exceeded(), "what is written is counted in any case");
        drop((charge, more));
        assert!(budget.try_charge(100).is_some());
    }

    #[test]
    fn a_part_takes_no_more_than_its_share_and_leaves_the_rest_to_the_others() {
        let whole = Budget::new(100);
        let (one, other) = (whole.part(50), whole.part(100));
        assert!(one.try_charge(51).is_none(), "it is more than its part");
        let charge = one.try_charge(50).unwrap();
        assert!(other.try_charge(51).is_none(), "it is more than is left of the whole");
        assert!(other.try_charge(50).is_some());
        let more = one.piece(Bytes::from_static(b"x"));
        assert!(one.is_exceeded() && !other.is_exceeded());
        drop((charge, more));
        assert!(other.try_charge(100).is_some());
    }

    #[test]
    fn a_large_piece_is_handed_on_in_copies_of_its_parts() {
        let bytes: Bytes = (0..=u8::MAX).cycle().take(2 * CHUNK + 1).collect();
        let piece = Budget::new(0).piece(bytes.clone());
        let (mut from, mut sizes, mut handed) = (0, vec![], vec![]);
        while from < piece.len() {
            let chunk = piece.chunk(from);
            assert!(!bytes.as_ptr_range().contains(&chunk.as_ptr()), "it keeps all of the piece");
            from += chunk.len();
            sizes.push(chunk.len());
            handed.extend_from_slice(&chunk);
        }
        assert_eq!((sizes, handed), (vec![CHUNK, CHUNK, 1], bytes.to_vec()));
    }
}
