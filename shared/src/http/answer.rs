//! Answers.

use std::convert::Infallible;

use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};

use crate::http::problem::Problem;

/// What a handler returns; both sides become a response in one place.
pub type Answer = Result<Response, Problem>;

/// A JSON body.
pub fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(value).map_err(|error| Problem::internal(error.to_string()))?;
    Ok(bytes(status, body, "application/json"))
}

/// A body of this type.
pub fn bytes(
    status: StatusCode,
    body: impl Into<bytes::Bytes>,
    content_type: &'static str,
) -> Response {
    let body: bytes::Bytes = body.into();
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Done, and nothing to show.
pub fn no_content() -> Response {
    let mut response = Response::new(bytes::Bytes::new().into());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// Sets a header from text that may hold anything; one that no header can carry is left out.
pub fn set(response: &mut Response, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// The response of an answer, or of its problem.
pub fn into_response(answer: Answer) -> Response {
    answer.unwrap_or_else(Reply::into_response)
}

/// Turns whatever is left unanswered into a problem, so that the routes reject nothing. `methods`
/// are those that paths of the service allow.
pub fn close<F>(routes: F, methods: &'static str) -> BoxedFilter<(Response,)>
where
    F: Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static,
{
    routes.recover(move |rejection| recover(rejection, methods)).unify().boxed()
}

async fn recover(rejection: Rejection, methods: &'static str) -> Result<Response, Infallible> {
    let problem = if rejection.is_not_found() {
        Problem::not_found("No route has this path; docs/reference/http.md lists them.")
    } else if rejection.find::<warp::reject::MethodNotAllowed>().is_some() {
        Problem::method_not_allowed(methods)
    } else {
        Problem::malformed("The request could not be read: is its query string valid?")
    };
    Ok(problem.into_response())
}
