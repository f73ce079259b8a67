//! What holds for every request, before and behind the routes.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use http::{HeaderValue, Method, Request, StatusCode, header};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use warp::Reply as _;
use warp::reply::Response;

use super::body::Deadline;
use super::encoding::Codings;
use super::measured::Measured;
use super::serve::{Peer, Routes};
use super::unread::{ReadToTheEnd, waits_to_continue};
use super::{Client, Cors, Guard, Hosts, Limits, probes, request_id};
use crate::auth::Caller;
use crate::http::problem::Problem;
use crate::service::log_sampler::{LineKind, is_written};
use crate::service::vital;

/// Who may call a service, and how.
#[derive(Clone, Default)]
pub struct Callers {
    /// Names under which it is called.
    pub hosts: Hosts,
    /// Pages of other origins.
    pub cors: Cors,
    /// Asks who they are; without it every client is anonymous.
    pub guard: Option<Guard>,
}

impl From<Hosts> for Callers {
    fn from(hosts: Hosts) -> Self {
        Self { hosts, ..Self::default() }
    }
}

pub struct Front {
    pub routes: Routes,
    pub callers: Callers,
    pub limits: Limits,
}

impl Front {
    /// Answers requests whose `Host` is a name of the service, and probes with any `Host`.
    pub async fn answer(self: Arc<Self>, mut request: Request<ReadToTheEnd>) -> Response {
        if !probes::is_probe(request.uri().path())
            && let Err(problem) = self.callers.hosts.check(request.uri(), request.headers())
        {
            return problem.into_response();
        }
        let cors = &self.callers.cors;
        if let Some(answer) = cors.preflight(request.method(), request.headers()) {
            return answer;
        }
        let origin = cors.allowed(request.headers());
        let codings = Codings::of_request(request.headers_mut());
        let waits_to_continue = waits_to_continue(&request);
        let measured = Measured::start(&mut request);
        request_id::is_traced(request.headers());
        let from_page = cors.may_write(request.headers());
        let room = self.limits.unsent.room_for(request.uri().path());
        let (method, address) = (request.method().clone(), request.extensions().get::<Peer>());
        let address = address.map(|peer| peer.0);
        let (response, caller) = self.admit(request, from_page).await;
        let client = || Client::of(&caller, address);
        let mut response = match room.take(&response, &method, client).await {
            Ok(held) => held.keep(codings.apply(response).await).await,
            Err(problem) => problem.into_response(),
        };
        measured.end(response.status());
        cors.allow(&mut response, origin);
        match response.status() {
            // The rest of the body is not waited for.
            StatusCode::REQUEST_TIMEOUT => closing(response),
            // It may have been made without asking for the body, which then does not come.
            status if waits_to_continue && !status.is_success() => closing(response),
            _ => response,
        }
    }

    /// The answer of the routes, or why the request gets none of them; and who sent it.
    async fn admit(
        &self,
        mut request: Request<ReadToTheEnd>,
        from_page: bool,
    ) -> (Response, Caller) {
        if from_page {
            // What this page asks for counts as asked for by the service's own.
            request.headers_mut().remove(header::ORIGIN);
        }
        if let Some(guard) = &self.callers.guard {
            let (mut parts, body) = request.into_parts();
            if let Err(problem) = checked(guard.admit(&mut parts, from_page)).await {
                return (problem.into_response(), Caller::default());
            }
            request = Request::from_parts(parts, body);
        }
        let caller = request.extensions().get::<Caller>().cloned().unwrap_or_default();
        request.extensions_mut().insert(Deadline::within(self.limits.body));
        let routes = TowerToHyperService::new(warp::service(self.routes.clone()));
        let method = request.method().clone();
        match AssertUnwindSafe(routes.call(request)).catch_unwind().await {
            Ok(Ok(response)) => (response, caller),
            Err(cause) => (panicked(&method, &*cause).into_response(), caller),
        }
    }

    /// Answers probes and metrics as usual; answers every other request with 503, to be tried again.
    pub async fn answer_probe(self: Arc<Self>, request: Request<ReadToTheEnd>) -> Response {
        if probes::is_always_answered(request.uri().path()) {
            return closing(self.answer(request).await);
        }
        let connections = self.limits.connections;
        let detail = format!("All {connections} connections are taken; try again.");
        closing(Problem::unavailable(detail).into_response())
    }
}

/// What a check says of a request, before anything is done for it. Where the check panics, this request alone
/// has failed.
async fn checked(check: impl Future<Output = Result<(), Problem>>) -> Result<(), Problem> {
    let said = AssertUnwindSafe(check).catch_unwind().await;
    said.unwrap_or_else(|cause| Err(broken(&*cause)))
}

/// The answer to a request whose routes have panicked: this one alone has failed.
fn panicked(method: &Method, cause: &(dyn Any + Send)) -> Problem {
    let problem = broken(cause);
    match method.is_safe() {
        true => problem,
        false => Problem::outcome_unknown("It failed midway; the service's own log tells more."),
    }
}

/// Logs a panic; the answer, where nothing was done.
fn broken(cause: &(dyn Any + Send)) -> Problem {
    const PANICKED: &str = "answering a request panicked";
    let why = vital::message(cause);
    match is_written(&LineKind::error(PANICKED, ""), None) {
        true => tracing::error!(why, "{PANICKED}"),
        false => tracing::debug!(why, "{PANICKED}"),
    }
    Problem::internal("The service's own log tells more.")
}

fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn breaks() -> Result<(), Problem> {
        panic!("as a test wants it")
    }

    #[tokio::test]
    async fn a_check_that_panics_is_answered_and_nothing_was_done() {
        let refused = checked(breaks()).await;
        assert_eq!(refused, Err(Problem::internal("The service's own log tells more.")));
        let refused = checked(async { Err(Problem::forbidden("no")) }).await;
        assert_eq!(refused, Err(Problem::forbidden("no")));
        assert_eq!(checked(async { Ok(()) }).await, Ok(()));
    }
}
