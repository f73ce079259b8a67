//! `/livez`, `/readyz` and `/metrics`, the same on every service.

use http::StatusCode;
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Reply as _};

use super::answer;
use crate::http::problem::Problem;
use crate::service::health::Health;
use crate::service::liveness::Liveness;
use crate::service::metrics;

/// Alive as long as it answers and no work is stuck; ready when nothing it needs is missing. What `metrics` tells is that of
/// the process.
pub fn probes(health: Health) -> BoxedFilter<(Response,)> {
    let liveness = health.liveness().clone();
    let livez = warp::path!("livez").and(get_or_head()).map(move || alive(&liveness));
    let readyz = warp::path!("readyz").and(get_or_head()).map(move || readiness(&health));
    let metrics = warp::path!("metrics").and(get_or_head()).map(told);
    livez.or(readyz).unify().or(metrics).unify().boxed()
}

pub(crate) fn is_probe(path: &str) -> bool {
    ["/livez", "/readyz"].contains(&path)
}

/// Whether it is answered while all places for connections are taken: what tells operators of that, too.
pub(crate) fn is_always_answered(path: &str) -> bool {
    is_probe(path) || path == "/metrics"
}

/// Whatever answers GET answers HEAD, of which only the headers are sent (RFC 9110, section 9.3.2).
pub fn get_or_head() -> impl Filter<Extract = (), Error = warp::Rejection> + Clone {
    warp::get().or(warp::head()).unify()
}

fn text(body: &str) -> Response {
    of_now(answer::bytes(StatusCode::OK, body.as_bytes().to_vec(), "text/plain; charset=utf-8"))
}

fn told() -> Response {
    of_now(answer::bytes(StatusCode::OK, metrics::text(), metrics::CONTENT_TYPE))
}

/// A cache that kept it would tell of a process as it was.
fn of_now(mut response: Response) -> Response {
    answer::set(&mut response, "cache-control", "no-store");
    response
}

fn alive(liveness: &Liveness) -> Response {
    let stuck = liveness.stuck();
    if stuck.is_empty() {
        return text("alive");
    }
    let told = stuck.iter().map(|(work, time)| format!("{work} for {} s", time.as_secs()));
    let told = told.collect::<Vec<_>>().join(", ");
    let seconds = stuck.iter().map(|(work, time)| (*work, time.as_secs().into()));
    let facts: serde_json::Map<String, serde_json::Value> =
        seconds.map(|(work, seconds)| (work.to_owned(), seconds)).collect();
    Problem::stuck(format!("No progress of {told}: restart the service."))
        .with("stuck", facts)
        .into_response()
}

fn readiness(health: &Health) -> Response {
    let waiting = health.waiting();
    if waiting.is_empty() {
        let notes = health.notes();
        let told = notes.iter().map(|(part, note)| format!("\n{part}: {note}"));
        return text(&format!("ready{}", told.collect::<String>()));
    }
    let parts: Vec<String> = waiting.iter().map(|(part, why)| format!("{part}: {why}")).collect();
    let facts = serde_json::to_value(&waiting).unwrap_or_default();
    Problem::unavailable(parts.join("; ")).with("waiting", facts).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cache_keeps_what_tells_of_now() {
        let health = Health::default();
        for answer in [alive(health.liveness()), readiness(&health), told()] {
            assert_eq!(answer.status(), StatusCode::OK);
            assert_eq!(answer.headers()["cache-control"], "no-store");
        }
    }
}
