//! How long requests take, by what was asked for.

use http::{Method, Request, StatusCode};
use tokio::time::Instant;

use crate::service::metrics::Histogram;
use crate::service::traces::RequestSpan;

/// A stream of events counts until its first byte.
pub(crate) static REQUESTS: Histogram = Histogram::of_seconds(
    "waybill_http_request_duration_seconds",
    "Time from a request's headers to its answer, by method, first segment of the path, and status.",
    &["method", "route", "status"],
);

/// A request that is being answered.
pub(super) struct Measured {
    started: Instant,
    method: &'static str,
    route: String,
    span: Option<RequestSpan>,
}

impl Measured {
    /// Where traces are recorded, the request's own context takes the place of its `traceparent`.
    pub(super) fn start<B>(request: &mut Request<B>) -> Self {
        let route = request.uri().path().split('/').nth(1).unwrap_or_default();
        let (method, route) = (known(request.method()), format!("/{route}"));
        let span = RequestSpan::begin(method, request);
        Self { started: Instant::now(), method, route, span }
    }

    /// Paths at which there is nothing are told together: clients make them up.
    pub(super) fn end(self, status: StatusCode) {
        let is_route = !matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED);
        let route = if is_route { self.route.as_str() } else { "unknown" };
        REQUESTS.took(self.started.elapsed(), &[self.method, route, status.as_str()]);
        if let Some(span) = self.span {
            span.end(route, status);
        }
    }
}

/// One of few names: clients may make up others.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
