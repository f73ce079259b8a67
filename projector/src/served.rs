//! Which generation this worker serves at the moment.

use std::sync::{Arc, Mutex, PoisonError};

use shared::view_store::GenerationId;

/// Set by the worker, read for operators. Clones tell the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Served(Arc<Mutex<Option<GenerationId>>>);

impl Served {
    /// The generation, or `None` while the worker serves none.
    pub(crate) fn get(&self) -> Option<GenerationId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set(&self, generation: Option<GenerationId>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = generation;
    }
}
