//! Comparing a run with an earlier one. Ratios are compared, not what they are ratios of: another
//! machine, or the same on another day, is faster or slower for yardstick and Waybill alike.

use crate::results::Results;

/// A ratio that is lower than this part of the earlier one has fallen.
const ENOUGH: f64 = 0.9;

/// A scenario whose ratio fell.
#[derive(Debug, PartialEq)]
pub struct Fall {
    pub name: String,
    pub before: f64,
    pub now: f64,
}

/// What fell by more than a tenth. What only one of both has is not compared.
pub fn falls(before: &Results, now: &Results) -> Vec<Fall> {
    let fall = |entry: &crate::results::Entry| {
        let before = before.entry(&entry.name)?.ratio?.median;
        let now = entry.ratio?.median;
        (now < before * ENOUGH).then(|| Fall { name: entry.name.clone(), before, now })
    };
    now.entries.iter().filter_map(fall).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::{entry, results};

    #[test]
    fn a_fall_by_more_than_a_tenth_is_told_and_nothing_else() {
        let before = results(vec![
            entry("fell", Some(0.80)),
            entry("sank", Some(0.80)),
            entry("rose", Some(0.80)),
            entry("gone", Some(0.80)),
            entry("without", None),
        ]);
        let now = results(vec![
            entry("fell", Some(0.71)),
            entry("sank", Some(0.73)),
            entry("rose", Some(1.20)),
            entry("new", Some(0.10)),
            entry("without", None),
        ]);
        let fell = Fall { name: "fell".to_owned(), before: 0.80, now: 0.71 };
        assert_eq!(falls(&before, &now), [fell]);
        assert_eq!(falls(&now, &now), []);
    }
}
