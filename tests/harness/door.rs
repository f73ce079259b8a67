//! Code that does not return, until it is let go.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

/// A door that blocks the thread of what passes it while it is shut, on a runtime of several threads.
#[derive(Default)]
pub struct Door(Mutex<Option<Receiver<()>>>);

impl Door {
    /// The next one to pass is held until this is dropped; those behind it are not.
    pub fn shut(&self) -> Sender<()> {
        let (held, holds) = channel();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(holds);
        held
    }

    pub fn pass(&self) {
        let holds = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(holds) = holds {
            // Another thread takes over the tasks of this one, and the timers of the runtime.
            tokio::task::block_in_place(|| holds.recv().ok());
        }
    }
}
