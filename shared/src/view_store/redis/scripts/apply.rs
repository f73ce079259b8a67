use std::collections::HashMap;

use kernel::projection::Change;

use super::{Argument, Call, layout};
use crate::view_store::Applied;
use crate::view_store::redis::keys::GenerationKeys;

layout! {
    /// Applies one change to the view of one stream, and to all sums and lists it touches; or nothing.
    /// Returns -1 applied, -4 applied and the stream is parked, -2 no such generation, -3 a sum out of
    /// range, else the version that is stored.
    Apply("apply.lua"): keys checkpoint, view, parked, updates, applied;
    arguments base, to, document, stream, position;
}

impl<'a> Apply<'a> {
    /// Behind the layout: the keys of records and lists, and four counted groups of arguments, in which
    /// a key is given by its index: sums (record, field, delta, list or 0, member, keep zeros), leave
    /// (list, member), enter (list, member), texts (record, field, text).
    pub fn call_for(keys: &GenerationKeys, change: &'a Change) -> Call {
        let fixed = Self {
            checkpoint: keys.checkpoint(),
            view: keys.view(&change.stream),
            parked: keys.parked(),
            updates: keys.updates(),
            applied: keys.applied(),
            base: Argument::Number(change.base),
            to: Argument::Number(change.to),
            document: Argument::Bytes(&change.document),
            stream: Argument::Text(change.stream.as_str()),
            position: Argument::Number(change.position),
        };
        let mut call = Numbered { call: fixed.call(), further: HashMap::new() };
        call.sums(keys, change);
        for entries in [&change.leave, &change.enter] {
            call.call.number(entries.len());
            for (index, member) in entries {
                call.key(keys.list(index));
                call.call.text(member);
            }
        }
        call.call.number(change.greatest_texts.len());
        for (key, text) in &change.greatest_texts {
            call.key(keys.record(&key.record));
            call.call.text(&key.field);
            call.call.text(text);
        }
        call.call
    }

    /// What the script returned.
    pub fn outcome(code: i64, change: &Change) -> Applied {
        match code {
            -1 => Applied::Applied,
            -4 => Applied::StillParked,
            -2 => Applied::NoGeneration,
            -3 => Applied::OutOfRange,
            stored => Applied::refused(stored, change.to),
        }
    }
}

/// A call that holds each of its further keys once, and names them by their indices.
struct Numbered {
    call: Call,
    further: HashMap<String, usize>,
}

impl Numbered {
    fn key(&mut self, key: String) {
        self.call.index(&mut self.further, key);
    }

    fn sums(&mut self, keys: &GenerationKeys, change: &Change) {
        self.call.number(change.sums.len());
        for sum in &change.sums {
            self.key(keys.record(&sum.key.record));
            self.call.text(&sum.key.field);
            self.call.number(sum.delta);
            match &sum.rank {
                Some(rank) => self.key(keys.list(&rank.index)),
                None => self.call.number(0),
            }
            self.call.text(sum.rank.as_ref().map_or("", |rank| &rank.member));
            self.call.number(i64::from(sum.rank.as_ref().is_some_and(|rank| rank.zeros)));
        }
    }
}
