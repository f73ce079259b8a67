//! The accept loop. warp's own sets no timers and no cap on connections.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use super::Limits;
use super::front::{Callers, Front};
use super::timed::Timed;

/// All routes of a service: nothing is rejected past them.
pub type Routes = BoxedFilter<(Response,)>;

/// Serves until `stop`, then lets requests under way end, up to the deadline. Returns how many
/// connections were abandoned then.
pub async fn serve(
    listener: TcpListener,
    routes: Routes,
    callers: impl Into<Callers>,
    limits: Limits,
    stop: CancellationToken,
) -> usize {
    let places = Places::new(&limits);
    let graceful = GracefulShutdown::new();
    let front = Arc::new(Front { routes, callers: callers.into(), limits });
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => {
                if let Some(place) = places.take() {
                    connect(stream, place, &front, &graceful);
                }
            }
            Err(error) => {
                // Out of descriptors, or the client was gone already: neither ends the service.
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    drop(listener);
    let open = places.taken();
    match tokio::time::timeout(front.limits.shutdown, graceful.shutdown()).await {
        Ok(()) => 0,
        Err(_) => open.min(places.taken()),
    }
}

/// Serves one connection, in a task of its own.
fn connect(stream: TcpStream, place: Place, front: &Arc<Front>, graceful: &GracefulShutdown) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "could not turn off Nagle's algorithm");
    }
    let (limits, is_spare) = (&front.limits, place.is_spare);
    let (header, answer) = match is_spare {
        true => (limits.spare_header, limits.spare_header),
        false => (limits.header, limits.answer),
    };
    let front = front.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let front = front.clone();
        async move {
            Ok::<_, Infallible>(match is_spare {
                true => front.answer_probe(request).await,
                false => front.answer(request).await,
            })
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(header).keep_alive(!is_spare);
    let stream = TokioIo::new(Timed::new(stream, answer));
    let connection = graceful.watch(builder.serve_connection(stream, service));
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended");
        }
        drop(place);
    });
}

/// Places for connections: how many may be open at a time.
struct Places {
    usual: Arc<Semaphore>,
    spare: Arc<Semaphore>,
    all: usize,
}

struct Place {
    is_spare: bool,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    fn new(limits: &Limits) -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        let all = limits.connections + limits.spare;
        Self { usual: semaphore(limits.connections), spare: semaphore(limits.spare), all }
    }

    /// A spare one when all others are taken; none when those are, too.
    fn take(&self) -> Option<Place> {
        let take = |places: &Arc<Semaphore>, is_spare| {
            let permit = places.clone().try_acquire_owned().ok()?;
            Some(Place { is_spare, _permit: permit })
        };
        take(&self.usual, false).or_else(|| take(&self.spare, true))
    }

    fn taken(&self) -> usize {
        self.all - self.usual.available_permits() - self.spare.available_permits()
    }
}
