//! Which streams change most, in bounded memory.

use std::collections::HashMap;

/// Streams that are counted at a time.
const CAPACITY: usize = 512;

/// Counts the most frequent of any number of names ("Space-Saving": Metwally, Agrawal, El Abbadi,
/// "Efficient Computation of Frequent and Top-k Elements in Data Streams", 2005).
#[derive(Debug, Default)]
pub struct Hot {
    counts: HashMap<String, Count>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    count: u64,
    /// So much of it may be of names that were counted in its place before.
    error: u64,
}

impl Hot {
    /// Counts a name.
    pub fn add(&mut self, name: &str) {
        if let Some(known) = self.counts.get_mut(name) {
            known.count += 1;
            return;
        }
        let mut before = 0;
        if self.counts.len() >= CAPACITY {
            let least = self.counts.iter().min_by_key(|(_, count)| count.count);
            if let Some((least, count)) = least.map(|(name, count)| (name.clone(), count.count)) {
                before = count;
                self.counts.remove(&least);
            }
        }
        self.counts.insert(name.to_owned(), Count { count: before + 1, error: before });
    }

    /// How often a name was counted at least.
    fn at_least(&self, name: &str) -> u64 {
        self.counts.get(name).map_or(0, |count| count.count - count.error)
    }

    /// The names that were counted most in both, each with how often at least.
    pub fn most(one: &Self, other: &Self, limit: usize) -> Vec<(String, u64)> {
        let mut names: Vec<&String> = one.counts.keys().chain(other.counts.keys()).collect();
        names.sort_unstable();
        names.dedup();
        let mut all: Vec<(String, u64)> = names
            .into_iter()
            .map(|name| (name.clone(), one.at_least(name) + other.at_least(name)))
            .collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        all.truncate(limit);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequent_names_are_found_among_many_and_never_counted_too_often() {
        let mut hot = Hot::default();
        for number in 0..20_000 {
            hot.add(&format!("rare-{number}"));
            if number % 10 == 0 {
                hot.add("frequent");
            }
            if number % 40 == 0 {
                hot.add("second");
            }
        }
        assert_eq!(hot.counts.len(), CAPACITY);
        let most = Hot::most(&hot, &Hot::default(), 2);
        assert_eq!(most[0].0, "frequent");
        assert!((1..=2_000).contains(&most[0].1), "{most:?}");
        assert!(most[1].1 <= 500, "{most:?}");
    }

    #[test]
    fn few_names_are_counted_exactly_over_both_halves() {
        let (mut one, mut other) = (Hot::default(), Hot::default());
        ["a", "b", "a"].iter().for_each(|name| one.add(name));
        ["b", "c", "b"].iter().for_each(|name| other.add(name));
        let most = Hot::most(&one, &other, 10);
        let expected = [("b", 3), ("a", 2), ("c", 1)].map(|(name, count)| (name.to_owned(), count));
        assert_eq!(most, expected);
    }
}
