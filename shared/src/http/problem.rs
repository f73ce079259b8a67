//! Every error answer: `application/problem+json` (RFC 9457).

mod kinds;
mod page;

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode, header};
use kernel::aggregate::{FieldError, Invalid, Refusal, RefusalKind};
use kernel::{Failure, parameters};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use warp::reply::Response;

use crate::auth::Roles;
use crate::http::request_id::with_current;
use crate::service::log_sampler::{LineKind, is_written};

pub(crate) use self::kinds::is_to_be_retried;
pub use self::page::{HTML, JSON};
pub(crate) use self::page::{Page, Pages};

/// The member that says how many fields `errors` does not list.
const LEFT_OUT: &str = "errors_left_out";

/// `type` is stable and for programs, `detail` is for people and says what was expected.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Problem {
    /// `/problems/<name>`: a page of the service that says what it means.
    #[schemars(extend("format" = "uri-reference"))]
    pub r#type: Box<str>,
    /// The type in words; the same for all problems of a type.
    pub title: &'static str,
    /// The status of the answer.
    pub status: u16,
    /// What was wrong with this request, and what was expected.
    pub detail: Box<str>,
    /// The fields that are wrong, of a `validation`: up to 100 of them.
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    pub errors: Box<[FieldError]>,
    /// The `X-Request-Id` of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Box<str>>,
    /// Further members: those of `kinds::members`, and the facts of refusals by the domain.
    #[serde(flatten)]
    pub facts: BTreeMap<&'static str, Value>,
    #[serde(skip)]
    retry_after: Option<u8>,
    #[serde(skip)]
    header: Option<Box<(HeaderName, String)>>,
}

impl Problem {
    fn new(status: StatusCode, slug: &str, title: &'static str, detail: String) -> Self {
        let r#type = format!("/problems/{slug}").into();
        let status = status.as_u16();
        Self {
            r#type,
            title,
            status,
            detail: detail.into(),
            errors: Box::default(),
            request_id: None,
            facts: BTreeMap::new(),
            retry_after: None,
            header: None,
        }
    }

    /// Says which methods there are (RFC 9110, section 15.5.6).
    pub fn method_not_allowed(allow: &str) -> Self {
        let detail = format!("The path exists; it allows {allow}.");
        let mut problem = Self::wrong_method(detail);
        problem.header = Some(Box::new((header::ALLOW, allow.to_owned())));
        problem
    }

    /// Asks for a credential, and says what was wrong with the one that was shown (RFC 6750, section 3).
    pub fn unauthenticated(detail: &str, wrong: Option<&str>) -> Self {
        let mut challenge = r#"Bearer realm="waybill""#.to_owned();
        if let Some(wrong) = wrong {
            challenge =
                format!(r#"{challenge}, error="invalid_token", error_description="{wrong}""#);
        }
        let mut problem = Self::unauthorized(detail);
        problem.header = Some(Box::new((header::WWW_AUTHENTICATE, challenge)));
        problem
    }

    /// Says which of these roles would do.
    pub(crate) fn not_permitted(detail: String, roles: Roles) -> Self {
        let challenge =
            format!(r#"Bearer realm="waybill", error="insufficient_scope", scope="{roles}""#);
        let mut problem = Self::forbidden(detail);
        problem.header = Some(Box::new((header::WWW_AUTHENTICATE, challenge)));
        problem
    }

    /// Says after how long to try again, in whole seconds up to 255.
    pub(crate) fn after(mut self, wait: Duration) -> Self {
        let seconds = wait.as_secs().saturating_add(1);
        self.retry_after = Some(u8::try_from(seconds).unwrap_or(u8::MAX));
        self
    }

    /// Adds an extension member.
    pub fn with(mut self, name: &'static str, fact: impl Into<Value>) -> Self {
        self.facts.insert(name, fact.into());
        self
    }

    /// So many fields are wrong beside those that `errors` lists, and beside those that were left out
    /// before.
    pub fn leaving_out(self, fields: usize) -> Self {
        let before = self.facts.get(LEFT_OUT).and_then(Value::as_u64).unwrap_or_default();
        match before + fields as u64 {
            0 => self,
            all => self.with(LEFT_OUT, all),
        }
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
            RefusalKind::OutOfRange => {
                Self { errors: refusal.errors.into(), ..Self::validation(detail) }
            }
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
        Self { errors: invalid.errors.into(), ..Self::validation(invalid.detail) }
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
        let text = failure.to_string();
        if failure.is_permanent() {
            match is_written(&LineKind::error("answered 500", &text), None) {
                true => tracing::error!(%failure, "answered 500"),
                false => tracing::debug!(%failure, "answered 500"),
            }
            return Self::internal("The service's own log tells more.");
        }
        match is_written(&LineKind::warning("answered 503", &text), None) {
            true => tracing::warn!(%failure, "answered 503"),
            false => tracing::debug!(%failure, "answered 503"),
        }
        Self::unavailable("A server that is needed does not answer; try again.")
    }
}

impl warp::Reply for Problem {
    fn into_response(mut self) -> Response {
        self.request_id = with_current(|request| request.request_id.into());
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = Response::new(bytes::Bytes::from(body).into());
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some((name, value)) = self.header.as_deref()
            && let Ok(value) = HeaderValue::from_str(value)
        {
            headers.insert(name, value);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, u16::from(seconds).into());
        }
        response
    }
}
