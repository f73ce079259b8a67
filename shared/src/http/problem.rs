//! Every error answer: `application/problem+json` (RFC 9457).

use std::collections::BTreeMap;

use http::{HeaderValue, StatusCode, header};
use kernel::aggregate::{Invalid, Refusal, RefusalKind};
use kernel::{Failure, parameters};
use serde::Serialize;
use serde_json::Value;
use warp::reply::Response;

/// `type` is stable and for programs, `detail` is for people and says what was expected.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Problem {
    /// `/problems/<name>`: see `docs/reference/errors.md`.
    pub r#type: String,
    /// The type in words; the same for all problems of a type.
    pub title: &'static str,
    /// The status of the answer.
    pub status: u16,
    /// What was wrong with this request, and what was expected.
    pub detail: String,
    /// Extension members.
    #[serde(flatten)]
    pub facts: BTreeMap<&'static str, Value>,
    #[serde(skip)]
    retry_after: Option<u8>,
    #[serde(skip)]
    allow: Option<Box<str>>,
}

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident: $status:ident, $slug:literal, $title:literal;)*) => {
        impl Problem {
            $($(#[$doc])* pub fn $name(detail: impl Into<String>) -> Self {
                Self::new(StatusCode::$status, $slug, $title, detail.into())
            })*
        }
    };
}

problems! {
    /// Syntax: of the JSON, a header, a parameter.
    malformed: BAD_REQUEST, "malformed", "The request can't be read";
    /// A page of another site may not send commands.
    cross_origin: FORBIDDEN, "cross-origin", "Not from another site";
    /// No route, or nothing by this id.
    not_found: NOT_FOUND, "not-found", "There is nothing here";
    /// The body was not there in time.
    timeout: REQUEST_TIMEOUT, "timeout", "The request took too long to arrive";
    /// The body has more bytes than the route takes.
    too_large: PAYLOAD_TOO_LARGE, "too-large", "The request is too large";
    /// The service is not called so.
    misdirected: MISDIRECTED_REQUEST, "misdirected", "Not a name of this service";
    /// The JSON is no command: see `Invalid`.
    validation: UNPROCESSABLE_ENTITY, "validation", "The command is not valid";
    /// The key came with another request before.
    idempotency_mismatch: UNPROCESSABLE_ENTITY, "idempotency-mismatch", "The key was used for another request";
    /// Retry with the same key.
    idempotency_in_flight: CONFLICT, "idempotency-in-flight", "The same request is being carried out";
    /// Retries are used up; nothing was written.
    conflict: CONFLICT, "conflict", "Too many commands at once for the same thing";
    /// Nothing was written, as it was to follow what may not have been done. Retry both.
    not_attempted: CONFLICT, "not-attempted", "What it was to follow may not have been done";
    /// A rule of the aggregate refuses the command in its present state.
    illegal_transition: CONFLICT, "illegal-transition", "Not in this state";
    /// A rebuild was asked for while another is under way.
    already_building: CONFLICT, "already-building", "A generation is being made already";
    /// Applying the stream failed again.
    still_parked: CONFLICT, "still-parked", "It can't be applied still";
    /// `If-Match` names another version.
    version_mismatch: PRECONDITION_FAILED, "version-mismatch", "It is at another version";
    /// Positions of another log mean nothing in this one.
    cursor_of_another_log: GONE, "cursor-of-another-log", "The cursor belongs to another log";
    /// A defect, or stored data that can't be read.
    internal: INTERNAL_SERVER_ERROR, "internal", "Something is broken here";
}

impl Problem {
    fn new(status: StatusCode, slug: &str, title: &'static str, detail: String) -> Self {
        let r#type = format!("/problems/{slug}");
        let status = status.as_u16();
        Self {
            r#type,
            title,
            status,
            detail,
            facts: BTreeMap::new(),
            retry_after: None,
            allow: None,
        }
    }

    fn later(slug: &str, title: &'static str, detail: String) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, slug, title, detail);
        problem.retry_after = Some(1);
        problem
    }

    /// Says which methods there are (RFC 9110, section 15.5.6).
    pub fn method_not_allowed(allow: &str) -> Self {
        let detail = format!("The path exists; it allows {allow}.");
        let slug = "method-not-allowed";
        let mut problem =
            Self::new(StatusCode::METHOD_NOT_ALLOWED, slug, "Not with this method", detail);
        problem.allow = Some(allow.into());
        problem
    }

    /// Nothing was done; a server that is needed is away.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::later("unavailable", "Not available at the moment", detail.into())
    }

    /// Nothing was done: more is asked for than can be done now (RFC 6585, section 4).
    pub fn too_many_requests(detail: impl Into<String>) -> Self {
        let (status, title) = (StatusCode::TOO_MANY_REQUESTS, "Too much is asked for at a time");
        let mut problem = Self::new(status, "too-many-requests", title, detail.into());
        problem.retry_after = Some(1);
        problem
    }

    /// The views will not contain what the client has seen until an operator repairs them.
    pub fn stream_parked(detail: impl Into<String>) -> Self {
        let (status, title) = (StatusCode::SERVICE_UNAVAILABLE, "A view can't be made for now");
        Self::new(status, "stream-parked", title, detail.into())
    }

    /// It may have been done. Safe to repeat with the same `Idempotency-Key`.
    pub fn outcome_unknown(detail: impl Into<String>) -> Self {
        Self::later("outcome-unknown", "Whether it was done is not known yet", detail.into())
    }

    /// The views do not contain yet what the client has seen.
    pub fn not_consistent_yet(detail: impl Into<String>) -> Self {
        Self::later("not-consistent-yet", "The views are behind", detail.into())
    }

    /// Adds an extension member.
    pub fn with(mut self, name: &'static str, fact: impl Into<Value>) -> Self {
        self.facts.insert(name, fact.into());
        self
    }

    /// The status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl Problem {
    /// A refusal by the aggregate that is called `name`.
    pub fn refused(name: &str, refusal: Refusal) -> Self {
        let detail = refusal.detail;
        let mut problem = match refusal.kind {
            RefusalKind::Unknown => Self::unknown(name, detail),
            RefusalKind::Exists => {
                let slug = format!("{name}-exists");
                Self::new(StatusCode::CONFLICT, &slug, "It exists already", detail)
            }
            RefusalKind::Illegal => Self::illegal_transition(detail),
            RefusalKind::OutOfRange => Self::validation(detail),
        };
        problem.facts = refusal.facts;
        problem.with("rule", refusal.rule)
    }

    /// There is no `name` with that id.
    pub fn unknown(name: &str, detail: impl Into<String>) -> Self {
        let slug = format!("{name}-not-found");
        Self::new(StatusCode::NOT_FOUND, &slug, "There is nothing by this id", detail.into())
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        Self::validation(invalid.detail)
    }
}

impl From<parameters::Error> for Problem {
    fn from(error: parameters::Error) -> Self {
        Self::malformed(error.to_string())
    }
}

impl From<Failure> for Problem {
    /// What broke stays in the log of the service.
    fn from(failure: Failure) -> Self {
        if failure.is_permanent() {
            tracing::error!(%failure, "answered 500");
            return Self::internal("The service's own log tells more.");
        }
        tracing::warn!(%failure, "answered 503");
        Self::unavailable("A server that is needed does not answer; try again.")
    }
}

impl warp::Reply for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = Response::new(bytes::Bytes::from(body).into());
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        if let Some(Ok(allow)) = self.allow.as_deref().map(HeaderValue::from_str) {
            headers.insert(header::ALLOW, allow);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, u16::from(seconds).into());
        }
        response
    }
}
