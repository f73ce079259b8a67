//! How long requests take, by what was asked for.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

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
        let route = if ROUTES.know(&self.route, status) { self.route.as_str() } else { "unknown" };
        REQUESTS.took(self.started.elapsed(), &[self.method, route, status.as_str()]);
        if let Some(span) = self.span {
            span.end(route, status);
        }
    }
}

static ROUTES: Routes = Routes(RwLock::new(BTreeSet::new()));

/// Routes that are told by their names. Some answers do not say whether there is such a route, as 400
/// and 401, so only the first of them are taken for one.
struct Routes(RwLock<BTreeSet<String>>);

/// Routes of all services together have half as many.
const MAX_GUESSED: usize = 64;
/// Bytes of the longest one that is told by its name.
const MAX_ROUTE: usize = 64;

impl Routes {
    fn know(&self, route: &str, status: StatusCode) -> bool {
        if matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) {
            return false;
        }
        if self.0.read().unwrap_or_else(PoisonError::into_inner).contains(route) {
            return true;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let is_there = status.is_success() || known.len() < MAX_GUESSED;
        let is_told = is_there && route.len() <= MAX_ROUTE;
        if is_told {
            known.insert(route.to_owned());
        }
        is_told
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_that_clients_make_up_are_told_together() {
        let routes = Routes(RwLock::default());
        assert!(routes.know("/orders", StatusCode::UNPROCESSABLE_ENTITY));
        assert!(!routes.know("/nothing", StatusCode::NOT_FOUND));
        let made_up = (0..10_000).map(|number| format!("/{number}"));
        for status in [StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED] {
            let told = made_up.clone().filter(|route| routes.know(route, status)).count();
            assert!(told < MAX_GUESSED, "{told}");
        }
        assert!(routes.0.read().unwrap().len() <= MAX_GUESSED);
        assert!(routes.know("/stats", StatusCode::OK), "what is answered is there");
        assert!(routes.know("/stats", StatusCode::BAD_REQUEST));
        assert!(!routes.know(&format!("/{}", "x".repeat(MAX_ROUTE)), StatusCode::OK));
    }
}
