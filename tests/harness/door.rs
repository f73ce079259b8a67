//! Code that does not return, until it is let go.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

/// A door that blocks the thread of what passes it while it is shut.
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
            holds.recv().ok();
        }
    }
}
