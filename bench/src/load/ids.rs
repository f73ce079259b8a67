//! Ids of orders: unique in a run, computed from a number, and known again from the same seed.

use std::cell::Cell;

/// Bytes of an id as text.
pub const LENGTH: usize = 36;

/// Numbers the orders of a run.
#[derive(Debug, Clone)]
pub struct Ids {
    seed: u64,
    next: Cell<u64>,
}

impl Ids {
    pub fn new(seed: u64) -> Self {
        Self { seed, next: Cell::new(0) }
    }

    /// The number of the next order.
    pub fn next(&self) -> u64 {
        let number = self.next.get();
        self.next.set(number + 1);
        number
    }

    /// The id of an order, as the text of a UUID of version 4. Ids of neighbouring numbers lie far
    /// apart, as random ones do: it matters to an index.
    pub fn text(&self, number: u64) -> [u8; LENGTH] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let halves = [mix(number.wrapping_add(self.seed)), mix(self.seed)];
        let mut text = *b"00000000-0000-4000-8000-000000000000";
        // Sixteen digits of the first half and eleven of the second, around what is fixed.
        let free = [0..8, 9..13, 15..18, 20..23, 24..33];
        let digits = (0..16).map(|at| (0, at)).chain((0..11).map(|at| (1, at)));
        for (place, (half, at)) in free.into_iter().flatten().zip(digits) {
            text[place] = DIGITS[((halves[half] >> (4 * at)) & 15) as usize];
        }
        text
    }
}

/// The finalizer of SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>): no two numbers mix to the
/// same one.
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_uuids_and_never_the_same() {
        let ids = Ids::new(7);
        let many: BTreeSet<[u8; LENGTH]> = (0..10_000).map(|number| ids.text(number)).collect();
        assert_eq!(many.len(), 10_000);
        for id in &many {
            let id: uuid::Uuid = std::str::from_utf8(id).unwrap().parse().unwrap();
            assert_eq!(id.get_version_num(), 4);
        }
        assert!(many.contains(&Ids::new(7).text(9_999)));
        assert!(!many.contains(&Ids::new(8).text(0)));
    }
}
