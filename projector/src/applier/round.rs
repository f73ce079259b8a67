//! What one pass over the pending streams of a batch finds.

use kernel::log::{StreamName, Version};

use super::pending::Pending;
use crate::parking::{GappedStream, Poison};

#[derive(Default)]
pub(super) struct Round {
    /// It is the first one of its batch.
    pub(super) first: bool,
    pub(super) gapped: Vec<GappedStream>,
    /// What is to be parked.
    pub(super) poisons: Vec<Poison>,
    /// A change applied to a stream that is parked.
    pub(super) resumed: bool,
}

/// Events of one stream that could not be applied together.
pub(super) struct Refused<'a> {
    pub(super) stream: &'a StreamName,
    /// The version of the first.
    pub(super) version: Version,
    pub(super) events: usize,
    pub(super) why: String,
}

impl Round {
    /// Notes a single event as poison. Of several one is to blame: they are applied one by one from
    /// here on, until it is alone.
    pub(super) fn refused(&mut self, pending: &mut Pending, refused: Refused) {
        let Refused { stream, version, events, why } = refused;
        if events > 1 {
            return pending.apply_singly(stream);
        }
        let let_go = pending.highest(stream);
        self.poisons.push(Poison { stream: stream.clone(), version, why, let_go });
    }
}
