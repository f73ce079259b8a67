//! The part `views` of the service's health: what `/readyz` tells about the views of this worker.

use shared::service::health::Health;

/// Tells whether this worker serves live views, and what it waits for while it does not.
#[derive(Debug, Clone)]
pub(crate) struct ViewsHealth(Health);

impl ViewsHealth {
    const PART: &str = "views";

    pub(crate) fn new(health: Health) -> Self {
        Self(health)
    }

    /// This worker serves live views.
    pub(crate) fn ready(&self) {
        self.0.ready(Self::PART);
    }

    /// This worker serves no views, for this reason.
    pub(crate) fn waits(&self, why: impl ToString) {
        self.0.waits(Self::PART, why);
    }
}
