//! How long requests take, by what was asked for.

use std::sync::{Arc, PoisonError, RwLock};

use http::{Method, Request, StatusCode};
use tokio::time::Instant;

use super::api::Operation;
use crate::service::metrics::Histogram;
use crate::service::traces::RequestSpan;

/// A stream of events counts until its first byte.
pub(crate) static REQUESTS: Histogram = Histogram::of_seconds(
    "waybill_http_request_duration_seconds",
    "Time from a request's headers to its answer, by method, path as it is described, and status.",
    &["method", "route", "status"],
);

/// A request that is being answered.
pub(super) struct Measured {
    started: Instant,
    method: &'static str,
    route: Option<Arc<str>>,
    span: Option<RequestSpan>,
}

impl Measured {
    /// Where traces are recorded, the request's own context takes the place of its `traceparent`.
    pub(super) fn start<B>(request: &mut Request<B>) -> Self {
        let route = ROUTES.find(request.uri().path());
        let method = known(request.method());
        let span = RequestSpan::begin(method, request);
        Self { started: Instant::now(), method, route, span }
    }

    pub(super) fn end(self, status: StatusCode) {
        let route = self.route.as_deref().unwrap_or(UNKNOWN);
        REQUESTS.took(self.started.elapsed(), &[self.method, route, status.as_str()]);
        if let Some(span) = self.span {
            span.end(route, status);
        }
    }
}

static ROUTES: Routes = Routes(RwLock::new(vec![]));

/// What is told of requests at paths that are not described: clients make them up.
const UNKNOWN: &str = "unknown";

/// Tells requests of these operations by the paths that describe them.
pub(crate) fn know(operations: &[Operation]) {
    operations.iter().for_each(|operation| ROUTES.add(&operation.path));
}

/// The described paths of all services of the process.
struct Routes(RwLock<Vec<Route>>);

struct Route {
    /// As it is described: `/orders/{order_id}/payments`.
    path: Arc<str>,
    /// `None` takes any segment.
    segments: Vec<Option<String>>,
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

impl Routes {
    /// Of two that take the same paths the first stays.
    fn add(&self, path: &str) {
        let fixed = |segment: &str| (!segment.starts_with('{')).then(|| segment.to_owned());
        let new = Route { path: path.into(), segments: segments(path).map(fixed).collect() };
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if !known.iter().any(|it| it.segments == new.segments) {
            known.push(new);
        }
    }

    /// The one that says most of this path, if there is any.
    fn find(&self, path: &str) -> Option<Arc<str>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let fitting = known.iter().filter(|route| route.fits(path));
        fitting.max_by_key(|route| route.fixed()).map(|route| route.path.clone())
    }
}

impl Route {
    fn fits(&self, path: &str) -> bool {
        let mut given = segments(path);
        let mut expected = self.segments.iter();
        let fit = expected.all(|segment| match (segment, given.next()) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(fixed), Some(given)) => fixed == given,
        });
        fit && given.next().is_none()
    }

    fn fixed(&self) -> usize {
        self.segments.iter().flatten().count()
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

    fn routes() -> Routes {
        let routes = Routes(RwLock::default());
        for path in [
            "/",
            "/orders",
            "/orders/{order_id}",
            "/orders/{id}",
            "/orders/{order_id}/payments",
            "/stats/daily",
            "/stats/{kind}",
            "/assets/{folder}/{file}",
        ] {
            routes.add(path);
        }
        routes
    }

    #[test]
    fn a_request_is_told_by_the_path_that_describes_it() {
        let routes = routes();
        for (asked, expected) in [
            ("/", "/"),
            ("/orders", "/orders"),
            ("/orders/", "/orders"),
            ("/orders/7", "/orders/{order_id}"),
            ("/orders/7/payments", "/orders/{order_id}/payments"),
            ("/stats/daily", "/stats/daily"),
            ("/stats/weekly", "/stats/{kind}"),
            ("/assets/js/main.js", "/assets/{folder}/{file}"),
        ] {
            assert_eq!(routes.find(asked).as_deref(), Some(expected), "{asked}");
        }
    }

    #[test]
    fn routes_that_clients_make_up_are_told_together() {
        let routes = routes();
        let made_up = (0..10_000).map(|number| format!("/{number}"));
        for path in made_up.chain(["/orders/7/payments/8", "/assets", ""].map(str::to_owned)) {
            let found = routes.find(&path);
            assert!(found.is_none() || path.is_empty(), "{path}: {found:?}");
        }
        assert_eq!(routes.0.read().unwrap().len(), 7, "one of two that take the same paths");
    }
}
