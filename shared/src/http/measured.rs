//! How long requests take, by what was asked for.

use http::{Method, StatusCode, Uri};
use tokio::time::Instant;

use crate::service::metrics::Histogram;

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
}

impl Measured {
    pub(super) fn start(method: &Method, uri: &Uri) -> Self {
        let route = uri.path().split('/').nth(1).unwrap_or_default();
        Self { started: Instant::now(), method: known(method), route: format!("/{route}") }
    }

    /// Paths at which there is nothing are told together: clients make them up.
    pub(super) fn end(self, status: StatusCode) {
        let is_route = !matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED);
        let route = if is_route { self.route.as_str() } else { "unknown" };
        REQUESTS.took(self.started.elapsed(), &[self.method, route, status.as_str()]);
    }
}

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
