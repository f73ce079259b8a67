//! Room for what waits: a bound by number and by bytes.

use std::sync::Arc;

use shared::service::metrics::OneMore;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics;

/// Commands between submission and answer: one for each connection that a service serves. Clients that
/// send one command at a time then wait under overload, and are not turned away: what that would cost
/// is taken from the commands that are accepted. An insert takes up to 256, so the last of them waits
/// for 40 inserts, about a second.
pub const WAITING: usize = 10_000;
/// Bytes of their JSON: 16 of the largest bodies. In memory a command takes a few times as much.
pub const WAITING_BYTES: usize = 16 << 20;

#[derive(Clone)]
pub struct Room {
    commands: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

/// The room of one command, given back when this is dropped.
pub struct Place {
    _command: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
    _counted: OneMore,
}

impl Default for Room {
    fn default() -> Self {
        let of = |size| Arc::new(Semaphore::new(size));
        Self { commands: of(WAITING), bytes: of(WAITING_BYTES) }
    }
}

impl Room {
    /// Whether the next command would be turned away, as far as can be told without reading it.
    pub fn is_full(&self) -> bool {
        self.commands.available_permits() == 0 || self.bytes.available_permits() == 0
    }

    /// At once or not at all.
    pub fn take(&self, bytes: usize) -> Option<Place> {
        let command = self.commands.clone().try_acquire_owned().ok()?;
        let bytes = self.bytes.clone().try_acquire_many_owned(u32::try_from(bytes).ok()?).ok()?;
        Some(Place { _command: command, _bytes: bytes, _counted: metrics::WAITING.one_more() })
    }
}
