//! Where handlers find their service; without one they turn requests away (503).

use std::sync::Arc;

use tokio::sync::watch;

use crate::http::problem::Problem;

/// The code that builds the service fills it, and clears it when the service ends or has to be built
/// afresh; every handler gets the service from it.
pub struct ServiceSlot<T>(Arc<watch::Sender<Option<Arc<T>>>>);

impl<T> Clone for ServiceSlot<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for ServiceSlot<T> {
    fn default() -> Self {
        Self(Arc::new(watch::channel(None).0))
    }
}

impl<T> ServiceSlot<T> {
    /// From now on every request gets this service.
    pub fn fill(&self, service: T) {
        self.0.send_replace(Some(Arc::new(service)));
    }

    /// From now on every request gets the problem.
    pub fn clear(&self) {
        self.0.send_replace(None);
    }

    /// The service, or the problem that there is none at the moment.
    pub fn service(&self) -> Result<Arc<T>, Problem> {
        let waiting = || {
            Problem::unavailable(
                "The service is starting or stopping; /readyz tells what it waits for.",
            )
        };
        self.0.borrow().clone().ok_or_else(waiting)
    }
}
