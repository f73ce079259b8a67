//! The accept loop. warp's own sets no timers and no cap on connections.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use warp::filters::BoxedFilter;
use warp::reply::Response;

#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a time; more wait in the kernel's queue.
    pub connections: usize,
    /// For the whole header of a request.
    pub header: Duration,
    /// For requests under way when the service stops.
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            header: Duration::from_secs(10),
            shutdown: Duration::from_secs(10),
        }
    }
}

/// All routes of a service: nothing is rejected past them.
pub type Routes = BoxedFilter<(Response,)>;

/// Serves until `stop`, then lets requests under way end, up to the deadline. Returns how many
/// connections were abandoned then.
pub async fn serve(
    listener: TcpListener,
    routes: Routes,
    limits: Limits,
    stop: CancellationToken,
) -> usize {
    let places = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.header);
    loop {
        let place = tokio::select! {
            () = stop.cancelled() => break,
            place = places.clone().acquire_owned() => place,
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, _) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, or the client was gone already: neither ends the service.
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "could not turn off Nagle's algorithm");
        }
        let service = TowerToHyperService::new(warp::service(routes.clone()));
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended");
            }
            drop(place);
        });
    }
    drop(listener);
    let open = limits.connections - places.available_permits();
    match tokio::time::timeout(limits.shutdown, graceful.shutdown()).await {
        Ok(()) => 0,
        Err(_) => open.min(limits.connections - places.available_permits()),
    }
}
