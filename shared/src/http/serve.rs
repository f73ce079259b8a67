//! The accept loop. warp's own sets no timers and no cap on connections, and has no TLS.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Reply as _};

use super::front::{Callers, Front};
use super::handshake::{Begun, begin, strict_transport};
use super::places::{Place, Places};
use super::probes::is_probe;
use super::problem::Problem;
use super::rate::{RateLimit, caller};
use super::request_id::Current;
use super::timed::Timed;
use super::unread::ReadToTheEnd;
use super::{Limits, Listener, REFUSED, refused, security_headers};
use crate::service::log_sampler::{LineKind, is_written};
use crate::service::metrics::Metric as _;
use crate::tls::server;

/// All routes of a service: nothing is rejected past them.
pub type Routes = BoxedFilter<(Response,)>;

/// The rate that each address has.
type Limit = Arc<RateLimit<IpAddr>>;

/// Bytes that the header of a request may have, and that are read of a connection ahead of their use. hyper
/// reads up to twice as many.
const HEADER: usize = 32 << 10;

/// A request came over TLS: an extension of it.
#[derive(Debug, Clone, Copy)]
pub struct OverTls;

/// Where a request comes from, as rates count it: an extension of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub IpAddr);

/// The address that the request came from, as those count that one caller has; none where it came by no
/// connection.
pub fn address() -> impl Filter<Extract = (Option<IpAddr>,), Error = Infallible> + Clone {
    warp::ext::optional::<Peer>().map(|peer: Option<Peer>| peer.map(|it| it.0))
}

/// Serves until `stop`, then lets requests under way end, up to the deadline. Returns how many
/// connections were abandoned then.
pub async fn serve(
    listener: impl Into<Listener>,
    routes: Routes,
    callers: impl Into<Callers>,
    limits: Limits,
    stop: CancellationToken,
) -> usize {
    let Listener { socket, options } = listener.into();
    let places = Places::new(&limits, &options);
    let rate = options.rate_per_address.map(|rate| Arc::new(RateLimit::new(rate)));
    let graceful = GracefulShutdown::new();
    let front = Arc::new(Front { routes, callers: callers.into(), limits });
    REFUSED.tell();
    server::METRICS.iter().for_each(|metric| metric.tell());
    let tls = options.tls.as_ref().map(|tls| tls.start(&stop));
    while let Some(accepted) = stop.run_until_cancelled(socket.accept()).await {
        match accepted {
            Ok((stream, peer)) => match places.take(peer.ip()) {
                Ok(place) => {
                    let peer = caller(peer.ip());
                    let rate = rate.clone();
                    let watcher = graceful.watcher();
                    let connection = Connection::new(&front, watcher, place, (peer, rate));
                    connection.start(stream, tls.as_ref(), &stop);
                }
                Err(reason) => REFUSED.add_to(reason, 1),
            },
            Err(error) => {
                // Out of descriptors, or the client was gone already: neither ends the service.
                const UNACCEPTED: &str = "could not accept a connection";
                match is_written(&LineKind::warning(UNACCEPTED, ""), None) {
                    true => tracing::warn!(%error, "{UNACCEPTED}"),
                    false => tracing::debug!(%error, "{UNACCEPTED}"),
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    drop(socket);
    let open = places.taken();
    match tokio::time::timeout(front.limits.shutdown, graceful.shutdown()).await {
        Ok(()) => 0,
        Err(_) => open.min(places.taken()),
    }
}

/// What is known of a connection before its first byte.
struct Connection {
    front: Arc<Front>,
    watcher: Watcher,
    place: Place,
    peer: IpAddr,
    limit: Option<Limit>,
    /// For the header of a request.
    header: Duration,
    /// For an answer.
    answer: Duration,
}

impl Connection {
    fn new(
        front: &Arc<Front>,
        watcher: Watcher,
        place: Place,
        (peer, limit): (IpAddr, Option<Limit>),
    ) -> Self {
        let limits = &front.limits;
        let (header, answer) = match place.is_spare {
            true => (limits.spare_header, limits.spare_header),
            false => (limits.header, limits.answer),
        };
        Self { front: front.clone(), watcher, place, peer, limit, header, answer }
    }

    /// Serves it, in a task of its own.
    fn start(self, stream: TcpStream, tls: Option<&TlsAcceptor>, stop: &CancellationToken) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "could not turn off Nagle's algorithm");
        }
        match tls.cloned() {
            None => {
                let stream = Timed::new(stream, self.answer);
                tokio::spawn(self.serve::<false, _>(stream));
            }
            Some(tls) => {
                let stop = stop.clone();
                tokio::spawn(async move {
                    let begun = begin(stream, &tls, self.header, self.answer);
                    match stop.run_until_cancelled(begun).await {
                        Some(Begun::Secure(stream)) => self.serve::<true, _>(stream).await,
                        Some(Begun::Plain(stream)) => self.refuse(stream).await,
                        Some(Begun::Nothing) => REFUSED.add_to(refused::HANDSHAKE, 1),
                        None => {}
                    }
                });
            }
        }
    }

    async fn serve<const TLS: bool, S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (front, is_spare) = (self.front, self.place.is_spare);
        let (peer, limit) = (self.peer, self.limit);
        let service = service_fn(move |request: Request<Incoming>| {
            let front = front.clone();
            let mut request = ReadToTheEnd::wrap(request, front.limits.body);
            security_headers::hide_credentials(request.headers_mut());
            let current = Current::of(request.headers_mut());
            request.extensions_mut().insert(Peer(peer));
            let path = request.uri().path();
            let too_many = limit.as_ref().and_then(|limit| too_many(limit, peer, path));
            let answer = async move {
                if let Some(problem) = too_many {
                    return problem.into_response();
                }
                // Boxed where it begins: hyper moves what it is given, and this is large.
                match TLS {
                    true => Box::pin(securely(front, is_spare, request)).await,
                    false => Box::pin(answer(front, is_spare, request)).await,
                }
            };
            async move { Ok::<_, Infallible>(complete(current, answer).await) }
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(self.header).keep_alive(!is_spare);
        builder.max_buf_size(HEADER);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        if let Err(error) = self.watcher.watch(connection).await {
            tracing::debug!(%error, "a connection ended");
        }
        drop(self.place);
    }

    /// Answers one request of HTTP without TLS, whatever it is.
    async fn refuse(self, stream: TcpStream) {
        let timeout = self.front.limits.body;
        let service = service_fn(async |request: Request<Incoming>| {
            let mut request = ReadToTheEnd::wrap(request, timeout);
            let current = Current::of(request.headers_mut());
            drop(request);
            let detail = "This port speaks TLS alone: ask it by https://.";
            let answer = async { Problem::malformed(detail).into_response() };
            Ok::<_, Infallible>(complete(current, answer).await)
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(self.header).keep_alive(false);
        builder.max_buf_size(HEADER);
        let stream = TokioIo::new(Timed::new(stream, self.answer));
        if let Err(error) = self.watcher.watch(builder.serve_connection(stream, service)).await {
            tracing::debug!(%error, "a connection without TLS ended");
        }
        drop(self.place);
    }
}

/// The answer, with what every answer has.
async fn complete(current: Current, answer: impl Future<Output = Response>) -> Response {
    let mut response = current.scope(answer).await;
    security_headers::add(response.headers_mut());
    response
}

/// A problem, when this address has asked too often. Probes are left out.
fn too_many(limit: &Limit, address: IpAddr, path: &str) -> Option<Problem> {
    if is_probe(path) {
        return None;
    }
    let wait = limit.take(&address).err()?;
    REFUSED.add_to(refused::RATE_PER_ADDRESS, 1);
    let detail = format!("One address may send {}.", limit.rate());
    Some(Problem::too_many_requests(detail).after(wait))
}

async fn answer(front: Arc<Front>, is_spare: bool, request: Request<ReadToTheEnd>) -> Response {
    match is_spare {
        true => front.answer_probe(request).await,
        false => front.answer(request).await,
    }
}

async fn securely(
    front: Arc<Front>,
    is_spare: bool,
    mut request: Request<ReadToTheEnd>,
) -> Response {
    let host = request.headers().get(header::HOST).cloned();
    request.extensions_mut().insert(OverTls);
    let mut response = answer(front, is_spare, request).await;
    strict_transport(host.as_ref(), response.headers_mut());
    response
}
