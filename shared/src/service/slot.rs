//! Turns requests away (503) until their service is complete.

use std::sync::Arc;

use tokio::sync::watch;

use crate::http::problem::Problem;

/// The code that builds the service opens it; every handler gets the service from it.
pub struct Gate<T>(Arc<watch::Sender<Option<Arc<T>>>>);

impl<T> Clone for Gate<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Gate<T> {
    fn default() -> Self {
        Self(Arc::new(watch::channel(None).0))
    }
}

impl<T> Gate<T> {
    pub fn open(&self, service: T) {
        self.0.send_replace(Some(Arc::new(service)));
    }

    /// From now on every request gets the problem.
    pub fn close(&self) {
        self.0.send_replace(None);
    }

    /// The service, or the problem that it is not there yet.
    pub fn service(&self) -> Result<Arc<T>, Problem> {
        let waiting = || {
            Problem::unavailable(
                "The service is starting or stopping; /readyz tells what it waits for.",
            )
        };
        self.0.borrow().clone().ok_or_else(waiting)
    }
}
