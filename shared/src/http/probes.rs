//! `/livez` and `/readyz`, the same on every service.

use http::StatusCode;
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Reply as _};

use super::answer;
use crate::health::Health;
use crate::problem::Problem;

/// Alive as long as it answers; ready when nothing it needs is missing.
pub fn probes(health: Health) -> BoxedFilter<(Response,)> {
    let livez = warp::path!("livez").and(warp::get()).map(|| text("alive"));
    let readyz = warp::path!("readyz").and(warp::get()).map(move || readiness(&health));
    livez.or(readyz).unify().boxed()
}

fn text(body: &str) -> Response {
    answer::bytes(StatusCode::OK, body.as_bytes().to_vec(), "text/plain; charset=utf-8")
}

fn readiness(health: &Health) -> Response {
    let waiting = health.waiting();
    if waiting.is_empty() {
        return text("ready");
    }
    let parts: Vec<String> = waiting.iter().map(|(part, why)| format!("{part}: {why}")).collect();
    let facts = serde_json::to_value(&waiting).unwrap_or_default();
    Problem::unavailable(parts.join("; ")).with("waiting", facts).into_response()
}
