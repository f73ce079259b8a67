//! What every service does around its own work: it serves HTTP from the first moment on, tells what
//! it waits for, and ends in order.

use kernel::{Failure, Result};
use tokio_util::sync::CancellationToken;

use super::health::Health;
use super::metrics;
use super::slot::ServiceSlot;
use crate::http::serve::Routes;
use crate::http::{Callers, Limits, Listener, REQUESTS, serve};

/// What the routes and the work of a service share.
pub struct Shell<S> {
    /// Filled by the work, once the service is there.
    pub slot: ServiceSlot<S>,
    /// What the service still waits for.
    pub health: Health,
    /// Cancelled when the service has to end, and when its work has ended by itself.
    pub stop: CancellationToken,
}

impl<S> Shell<S> {
    /// A service made of these parts, none of them ready.
    pub fn new(parts: &[&'static str], stop: CancellationToken) -> Self {
        metrics::tell_of(&[&REQUESTS]);
        Self { slot: ServiceSlot::default(), health: Health::of(parts), stop }
    }

    /// Serves the routes while `work` runs. Once the work has ended, lets requests under way end, and
    /// returns what the work returned.
    pub async fn serve<T>(
        &self,
        name: &str,
        listener: Listener,
        callers: impl Into<Callers>,
        routes: Routes,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        if let Ok(url) = listener.url() {
            tracing::info!("{name} listens on {url}");
        }
        let limits = Limits::of_process(1);
        let http =
            tokio::spawn(serve_http(listener, routes, callers.into(), limits, self.stop.clone()));
        let beat = tokio::spawn(self.health.liveness().clone().beat());
        let worked = work.await;
        beat.abort();
        self.stop.cancel();
        http.await.map_err(|error| Failure::transient("serving HTTP", error))?;
        worked
    }
}

/// Serves until `stop`, and reports the connections that were still open at the deadline.
pub async fn serve_http(
    listener: Listener,
    routes: Routes,
    callers: Callers,
    limits: Limits,
    stop: CancellationToken,
) {
    let abandoned = serve(listener, routes, callers, limits, stop).await;
    if abandoned > 0 {
        tracing::warn!(abandoned, "connections were cut at the deadline");
    }
}
