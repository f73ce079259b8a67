//! What holds for every request, before and behind the routes.

use std::sync::Arc;

use http::{HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use warp::Reply as _;
use warp::reply::Response;

use super::body::Deadline;
use super::serve::Routes;
use super::{Hosts, Limits, probes};
use crate::http::problem::Problem;

pub struct Front {
    pub routes: Routes,
    pub hosts: Hosts,
    pub limits: Limits,
}

impl Front {
    /// Answers requests whose `Host` is a name of the service, and probes with any `Host`.
    pub async fn answer(self: Arc<Self>, mut request: Request<Incoming>) -> Response {
        if !probes::is_probe(request.uri().path())
            && let Err(problem) = self.hosts.check(request.uri(), request.headers())
        {
            return problem.into_response();
        }
        request.extensions_mut().insert(Deadline::within(self.limits.body));
        let routes = TowerToHyperService::new(warp::service(self.routes.clone()));
        let Ok(response) = routes.call(request).await;
        match response.status() {
            // The rest of the body is not waited for.
            StatusCode::REQUEST_TIMEOUT => closing(response),
            _ => response,
        }
    }

    /// Answers probes; answers every other request with 503, to be tried again.
    pub async fn answer_probe(self: Arc<Self>, request: Request<Incoming>) -> Response {
        if probes::is_probe(request.uri().path()) {
            return closing(self.answer(request).await);
        }
        let connections = self.limits.connections;
        let detail = format!("All {connections} connections are taken; try again.");
        closing(Problem::unavailable(detail).into_response())
    }
}

fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
