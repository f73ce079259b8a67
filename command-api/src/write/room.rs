//! Room for what waits: a bound by number and by bytes.

use std::sync::Arc;

use shared::http::{Client, Share, Tally};
use shared::service::metrics::OneMore;

use crate::metrics;

/// Commands between submission and answer: one for each connection that a service serves. Clients that
/// send one command at a time then wait under overload, and are not turned away: what that would cost
/// is taken from the commands that are accepted. Those beyond 5,000 of one principal or address are; where
/// all that have no name come by one proxy, that is 5,000 of all of them. An insert takes up to 256, so the
/// last of 10,000 waits for 40 inserts, about a second.
pub const WAITING: usize = 10_000;
/// Bytes of their JSON: 16 of the largest bodies. In memory a command takes a few times as much.
pub const WAITING_BYTES: usize = 16 << 20;

/// Of all of it, and of what there is for batches, one client fills half at most: however many commands it
/// sends, those of others find room.
#[derive(Clone)]
pub struct Room {
    all: Bounds,
    /// Half of it: ten requests of 1,000 commands each would take it all, and nearly every client that
    /// sends one command at a time would be turned away.
    batches: Bounds,
}

/// A bound by number and by bytes.
#[derive(Clone)]
struct Bounds {
    commands: Arc<Tally>,
    bytes: Arc<Tally>,
}

/// What one command has of each bound.
type Held = (Share, Share);

/// The room of one command, given back when this is dropped.
pub struct Place {
    _of_all: Held,
    _of_batches: Option<Held>,
    _counted: OneMore,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            all: Bounds::of(WAITING, WAITING_BYTES),
            batches: Bounds::of(WAITING / 2, WAITING_BYTES / 2),
        }
    }
}

impl Room {
    /// Whether the next command of this client would be turned away, as far as can be told without reading
    /// it.
    pub fn is_full(&self, of_batch: bool, client: Option<&Client>) -> bool {
        self.all.is_full(client) || of_batch && self.batches.is_full(client)
    }

    /// At once or not at all.
    pub fn take(&self, bytes: usize, of_batch: bool, client: Option<&Client>) -> Option<Place> {
        let of_batches = match of_batch {
            true => Some(self.batches.take(bytes, client)?),
            false => None,
        };
        let of_all = self.all.take(bytes, client)?;
        let counted = metrics::WAITING.one_more();
        Some(Place { _of_all: of_all, _of_batches: of_batches, _counted: counted })
    }
}

impl Bounds {
    fn of(commands: usize, bytes: usize) -> Self {
        Self { commands: Tally::new(commands), bytes: Tally::new(bytes) }
    }

    fn is_full(&self, client: Option<&Client>) -> bool {
        self.commands.is_full(client) || self.bytes.is_full(client)
    }

    fn take(&self, bytes: usize, client: Option<&Client>) -> Option<Held> {
        let command = self.commands.try_take(1, client)?;
        Some((command, self.bytes.try_take(bytes, client)?))
    }
}
