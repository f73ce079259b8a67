use std::collections::HashMap;

use kernel::projection::{Change, Rank};

use super::{Argument, Call, layout};
use crate::view_store::redis::keys::GenerationKeys;

layout! {
    /// Applies the changes of many streams, each of another one, and what they add up to. Returns for
    /// each stream -1 applied, -4 left out as it is parked, else the version that is stored, and it was
    /// left out; {-2} no such generation; {-3} nothing was applied: apply one by one.
    ApplyBatch("apply_batch.lua"): keys checkpoint, parked, updates, applied; arguments streams;
}

/// What the script says of the batch as a whole.
pub const NO_GENERATION: i64 = -2;
pub const ONE_BY_ONE: i64 = -3;
/// What it says of a stream.
pub const APPLIED: i64 = -1;
pub const PARKED: i64 = -4;

impl<'a> ApplyBatch<'a> {
    /// Behind the layout: the key of each view, then those of records and lists. For each stream: base,
    /// to, document, name, position. Then four counted groups, in which keys are given by their index
    /// and streams by their place in the batch: sums (record, fields), each field (name, list or 0,
    /// member, keep zeros, parts), each part (stream, delta); texts (record, fields), each field (name,
    /// parts), each part (stream, text); leave and enter (list, parts), each part (stream, member).
    pub fn call_for(keys: &GenerationKeys, changes: &'a [&'a Change]) -> Call {
        let count = i64::try_from(changes.len()).unwrap_or(i64::MAX);
        let fixed = Self {
            checkpoint: keys.checkpoint(),
            parked: keys.parked(),
            updates: keys.updates(),
            applied: keys.applied(),
            streams: Argument::Number(count),
        };
        let mut call = fixed.call();
        for change in changes {
            call.key(keys.view(&change.stream));
            call.number(change.base);
            call.number(change.to);
            call.argument(Argument::Bytes(&change.document));
            call.text(change.stream.as_str());
            call.number(change.position);
        }
        let mut further = HashMap::new();
        let groups = Groups::of(changes);
        groups.sums(&mut call, keys, &mut further);
        groups.texts(&mut call, keys, &mut further);
        for lists in [&groups.leave, &groups.enter] {
            call.number(lists.0.len());
            for (list, parts) in &lists.0 {
                call.index(&mut further, keys.list(list));
                call.number(parts.len());
                for (stream, member) in parts {
                    call.number(*stream);
                    call.text(member);
                }
            }
        }
        call
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

/// A part of a group: the place of its stream, from 1 as Lua counts, and what it brings.
type Parts<T> = Vec<(usize, T)>;

#[derive(Default)]
struct Field<'a> {
    rank: Option<&'a Rank>,
    parts: Parts<i64>,
}

/// What the changes bring, by the keys that they touch.
struct Groups<'a> {
    sums: Ordered<'a, Ordered<'a, Field<'a>>>,
    texts: Ordered<'a, Ordered<'a, Parts<&'a str>>>,
    leave: Ordered<'a, Parts<&'a str>>,
    enter: Ordered<'a, Parts<&'a str>>,
}

impl<'a> Groups<'a> {
    fn of(changes: &'a [&'a Change]) -> Self {
        let mut groups = Self {
            sums: Ordered::new(),
            texts: Ordered::new(),
            leave: Ordered::new(),
            enter: Ordered::new(),
        };
        for (place, change) in changes.iter().enumerate().map(|(place, one)| (place + 1, one)) {
            for sum in &change.sums {
                let field = groups.sums.entry(&sum.key.record).entry(&sum.key.field);
                field.rank = field.rank.or(sum.rank.as_ref());
                field.parts.push((place, sum.delta));
            }
            for (key, text) in &change.greatest_texts {
                groups.texts.entry(&key.record).entry(&key.field).push((place, text));
            }
            for (list, member) in &change.leave {
                groups.leave.entry(list).push((place, member));
            }
            for (list, member) in &change.enter {
                groups.enter.entry(list).push((place, member));
            }
        }
        groups
    }

    fn sums(&self, call: &mut Call, keys: &GenerationKeys, further: &mut HashMap<String, usize>) {
        call.number(self.sums.0.len());
        for (record, fields) in &self.sums.0 {
            call.index(further, keys.record(record));
            call.number(fields.0.len());
            for (name, field) in &fields.0 {
                call.text(name);
                match field.rank {
                    Some(rank) => call.index(further, keys.list(&rank.index)),
                    None => call.number(0),
                }
                call.text(field.rank.map_or("", |rank| &rank.member));
                call.number(i64::from(field.rank.is_some_and(|rank| rank.zeros)));
                call.number(field.parts.len());
                for (stream, delta) in &field.parts {
                    call.number(*stream);
                    call.number(*delta);
                }
            }
        }
    }

    fn texts(&self, call: &mut Call, keys: &GenerationKeys, further: &mut HashMap<String, usize>) {
        call.number(self.texts.0.len());
        for (record, fields) in &self.texts.0 {
            call.index(further, keys.record(record));
            call.number(fields.0.len());
            for (name, parts) in &fields.0 {
                call.text(name);
                call.number(parts.len());
                for (stream, text) in parts {
                    call.number(*stream);
                    call.text(text);
                }
            }
        }
    }
}
