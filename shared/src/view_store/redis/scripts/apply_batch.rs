use std::collections::HashMap;

use kernel::log::Version;
use kernel::projection::{Change, Rank};

use super::{Argument, Call, layout};
use crate::view_store::redis::keys::GenerationKeys;

layout! {
    /// Applies the changes of many streams, each of another one, and what they add up to; all of it or
    /// nothing. Returns {} when it is applied; {-2} no such generation; {-3} apply one by one; else
    /// pairs of the place of a stream that can't be applied, and the version that its view is at, or -4
    /// where it is parked.
    ApplyBatch("apply_batch.lua"): keys checkpoint, parked, updates, applied; arguments streams, position, told;
}

/// What a call came to.
#[derive(Debug, PartialEq, Eq)]
pub enum BatchOutcome {
    /// All is applied.
    Applied,
    /// Nothing is applied: the generation is gone.
    NoGeneration,
    /// Nothing is applied: apply the changes one by one.
    OneByOne,
    /// Nothing is applied: these can't be. By their places from 0, with the version of the view; `None`
    /// for a stream that is parked.
    Refused(Vec<(usize, Option<Version>)>),
}

impl<'a> ApplyBatch<'a> {
    /// Behind the layout: the key of each view, and for each base, to, document, name. The number of
    /// records; for each its key, how many sums, ranks and texts, the sums (field, delta), the texts
    /// (field, text), and the ranks: the key of the list, which sum, member, keep zeros. The number of
    /// lists that are left; for each its key, how many members, the members. The number of lists that
    /// are entered; for each its key, how many arguments, and these: 0 and the member, again and again.
    pub fn call_for(keys: &GenerationKeys, changes: &[&'a Change], told: &'a str) -> Call {
        let count = i64::try_from(changes.len()).unwrap_or(i64::MAX);
        let highest = changes.iter().map(|change| change.position).max().unwrap_or(0);
        let fixed = Self {
            checkpoint: keys.checkpoint(),
            parked: keys.parked(),
            updates: keys.updates(),
            applied: keys.applied(),
            streams: Argument::Number(count),
            position: Argument::Number(highest),
            told: Argument::Text(told),
        };
        let mut call = fixed.call();
        for change in changes {
            call.key(keys.view(&change.stream));
            call.number(change.base);
            call.number(change.to);
            call.argument(Argument::Bytes(&change.document));
            call.text(change.stream.as_str());
        }
        let groups = Groups::of(changes);
        call.number(groups.records.0.len());
        for (name, record) in &groups.records.0 {
            record.write(keys, name, &mut call);
        }
        call.number(groups.leave.0.len());
        for (list, members) in &groups.leave.0 {
            call.key(keys.list(list));
            call.number(members.len());
            members.iter().for_each(|member| call.text(member));
        }
        call.number(groups.enter.0.len());
        for (list, members) in &groups.enter.0 {
            call.key(keys.list(list));
            call.number(2 * members.len());
            for member in members {
                call.number(0);
                call.text(member);
            }
        }
        call
    }

    /// The streams and their versions, with their traces, as they are told in the stream of updates.
    pub fn told(changes: &[&Change]) -> String {
        let one = |change: &&Change| match &change.traceparent {
            Some(trace) => format!("{} {};{trace}", change.stream, change.to),
            None => format!("{} {}", change.stream, change.to),
        };
        changes.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    /// What the script returned.
    pub fn outcome(codes: &[i64]) -> BatchOutcome {
        match codes {
            [] => BatchOutcome::Applied,
            [-2] => BatchOutcome::NoGeneration,
            [-3] => BatchOutcome::OneByOne,
            pairs => {
                let refused = pairs.chunks_exact(2).map(|pair| {
                    let place = usize::try_from(pair[0] - 1).unwrap_or(usize::MAX);
                    (place, Some(pair[1]).filter(|version| *version >= 0))
                });
                BatchOutcome::Refused(refused.collect())
            }
        }
    }
}

/// Entries in the order in which their names first came.
struct Ordered<'a, T>(Vec<(&'a str, T)>, HashMap<&'a str, usize>);

impl<'a, T: Default> Ordered<'a, T> {
    fn new() -> Self {
        Self(vec![], HashMap::new())
    }

    fn entry(&mut self, name: &'a str) -> &mut T {
        let place = *self.1.entry(name).or_insert_with(|| {
            self.0.push((name, T::default()));
            self.0.len() - 1
        });
        &mut self.0[place].1
    }
}

impl<T: Default> Default for Ordered<'_, T> {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Default)]
struct Record<'a> {
    sums: Ordered<'a, Field<'a>>,
    /// The greatest text of each field.
    texts: Ordered<'a, &'a str>,
}

#[derive(Default)]
struct Field<'a> {
    delta: i64,
    rank: Option<&'a Rank>,
}

impl Record<'_> {
    fn write(&self, keys: &GenerationKeys, name: &str, call: &mut Call) {
        let ranked = || self.sums.0.iter().zip(1..).filter_map(|(sum, i)| Some((sum.1.rank?, i)));
        call.key(keys.record(name));
        call.number(self.sums.0.len());
        call.number(ranked().count());
        call.number(self.texts.0.len());
        for (field, sum) in &self.sums.0 {
            call.text(field);
            call.number(sum.delta);
        }
        for (field, text) in &self.texts.0 {
            call.text(field);
            call.text(text);
        }
        for (rank, i) in ranked() {
            call.key(keys.list(&rank.index));
            call.number(i);
            call.text(&rank.member);
            call.number(i64::from(rank.zeros));
        }
    }
}

/// What the changes come to, by the keys that they touch.
#[derive(Default)]
struct Groups<'a> {
    records: Ordered<'a, Record<'a>>,
    leave: Ordered<'a, Vec<&'a str>>,
    enter: Ordered<'a, Vec<&'a str>>,
}

impl<'a> Groups<'a> {
    fn of(changes: &[&'a Change]) -> Self {
        let mut groups = Self::default();
        for change in changes {
            for sum in &change.sums {
                let field = groups.records.entry(&sum.key.record).sums.entry(&sum.key.field);
                field.delta += sum.delta; // Each is small: see `MAX_DELTA`.
                field.rank = field.rank.or(sum.rank.as_ref());
            }
            for (key, text) in &change.greatest_texts {
                let greatest = groups.records.entry(&key.record).texts.entry(&key.field);
                if text.as_bytes() > greatest.as_bytes() {
                    *greatest = text;
                }
            }
            for (list, member) in &change.leave {
                groups.leave.entry(list).push(member);
            }
            for (list, member) in &change.enter {
                let members = groups.enter.entry(list);
                if members.last() != Some(&member.as_str()) {
                    members.push(member); // Not the same day again and again.
                }
            }
        }
        groups
    }
}
