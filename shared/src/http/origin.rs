//! Requests of pages.

use http::HeaderMap;

use crate::http::problem::Problem;

/// Browsers send `Origin` with every POST of a page; a page of another site may not send commands
/// through the browser of its visitor (RFC 6454, section 7).
pub fn same_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let Some(origin) = headers.get(http::header::ORIGIN) else { return Ok(()) };
    let from =
        origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    if from.is_some() && from == text(http::header::HOST) {
        return Ok(());
    }
    Err(Problem::cross_origin("The Origin of the request is not this service."))
}
