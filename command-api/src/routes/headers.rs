//! What requests say in their headers.

use http::HeaderMap;
use shared::log::{Meta, Version};
use shared::problem::Problem;
use uuid::Uuid;

/// Whose request it is. There is nobody to tell apart yet.
pub const PRINCIPAL: &str = "anonymous";

/// Longest key, in characters.
const KEY: usize = 255;

/// <https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>: a quoted string;
/// without quotes it is taken as well.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().map_err(|_| bad_key())?.trim();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    key(text).map(Some)
}

/// A key of this principal's.
pub fn key(text: &str) -> Result<String, Problem> {
    if text.is_empty() || text.chars().count() > KEY || text.chars().any(char::is_control) {
        return Err(bad_key());
    }
    Ok(format!("{PRINCIPAL}/{text}"))
}

fn bad_key() -> Problem {
    Problem::malformed(format!("Idempotency-Key: expected 1 to {KEY} printable characters."))
}

/// `If-Match: "<version>"` (RFC 9110, section 13.1.1); `*` expects nothing in particular.
pub fn if_match(headers: &HeaderMap) -> Result<Option<Version>, Problem> {
    let Some(value) = headers.get(http::header::IF_MATCH) else { return Ok(None) };
    let bad = || Problem::malformed("If-Match: expected the ETag of the order, such as \"3\".");
    let text = value.to_str().map_err(|_| bad())?.trim();
    if text == "*" {
        return Ok(None);
    }
    let version = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    version.and_then(|version| version.parse().ok()).map(Some).ok_or_else(bad)
}

/// Correlation: the client's `X-Correlation-Id`, or a new one.
pub fn meta(headers: &HeaderMap) -> Meta {
    let text = |name: &str| {
        let text = headers.get(name)?.to_str().ok()?.trim();
        (!text.is_empty() && text.len() <= KEY).then(|| text.to_owned())
    };
    Meta {
        correlation: text("x-correlation-id").unwrap_or_else(|| Uuid::now_v7().to_string()),
        causation: text("x-causation-id"),
        actor: None,
        traceparent: text("traceparent"),
    }
}
