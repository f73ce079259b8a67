//! What requests say in their headers.

use std::sync::Arc;

use http::HeaderMap;
use kernel::log::{LogId, Meta, Version};
use shared::auth::Caller;
use shared::http::consistency_token::number;
use shared::http::problem::Problem;
use shared::http::traceparent::is_traceparent;
use uuid::Uuid;

/// Longest key, in characters.
pub const KEY: usize = 255;

/// <https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>: a quoted string;
/// without quotes it is taken as well.
///
/// Keys of different principals are different keys.
pub fn idempotency_key(headers: &HeaderMap, caller: &Caller) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().map_err(|_| bad_key())?.trim();
    let text = match text.strip_prefix('"') {
        Some(text) => text.strip_suffix('"').ok_or_else(bad_key)?,
        None => text,
    };
    key(text, caller).map(Some)
}

/// A key of this principal's.
pub fn key(text: &str, caller: &Caller) -> Result<String, Problem> {
    if text.is_empty() || text.chars().count() > KEY || text.chars().any(char::is_control) {
        return Err(bad_key());
    }
    Ok(format!("{}/{text}", caller.key_prefix()))
}

fn bad_key() -> Problem {
    let expected = expected_key();
    Problem::malformed(format!("Idempotency-Key: expected {expected}, in quotes or without any."))
}

/// What a key is, in words.
pub fn expected_key() -> String {
    format!("1 to {KEY} printable characters")
}

/// The ETag of a command's answer: the same version of another log is another state.
pub fn etag(version: Version, log: &LogId) -> String {
    format!("\"{version}-{log}\"")
}

/// The ETag of a state that is shown by these bytes: another build may show the same version by others.
pub fn state_etag(version: Version, log: &LogId, body: &[u8]) -> String {
    let shown = Uuid::new_v5(&Uuid::NAMESPACE_OID, body);
    format!("\"{version}-{log}-{}\"", shown.simple())
}

/// `If-Match` (RFC 9110, section 13.1.1) with what `etag` or `state_etag` writes, with an ETag of query-api
/// (`"<version>-<log>-<generation>"`), or with a bare `"<version>"`; `*` expects nothing in
/// particular.
///
/// The version is needed before anything is read, and a tag may leave out the log; so the tags are
/// read here, and not compared with that of a state as `headers::IfMatch` does.
pub fn if_match(headers: &HeaderMap, log: &LogId) -> Result<Option<Version>, Problem> {
    let Some(value) = headers.get(http::header::IF_MATCH) else { return Ok(None) };
    let bad = || Problem::malformed("If-Match: expected the ETag of an answer, such as \"3\".");
    let text = value.to_str().map_err(|_| bad())?.trim();
    if text == "*" {
        return Ok(None);
    }
    let tag = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).ok_or_else(bad)?;
    let (version, of) =
        tag.split_once('-').map_or((tag, None), |(version, of)| (version, Some(of)));
    let version = number(version).ok_or_else(bad)?;
    match of.map(|of| of.split_once('-').map_or(of, |(of, _shown_by)| of)) {
        Some("") => Err(bad()),
        Some(of) if of != log.as_str() => Err(Problem::version_mismatch(format!(
            "The ETag is of another log; the log is {log} now. Read the present state."
        ))),
        _ => Ok(Some(version)),
    }
}

/// The id of the request, which the front gave it where the client did not.
pub fn request_id(headers: &HeaderMap) -> Option<Arc<str>> {
    headers.get("x-request-id")?.to_str().ok().map(Into::into)
}

/// Correlation: the client's `X-Correlation-Id`, or the id of the request. The actor is the principal.
pub fn meta(headers: &HeaderMap, caller: &Caller) -> Meta {
    let text = |name: &str| {
        let text = headers.get(name)?.to_str().ok()?.trim();
        (!text.is_empty() && text.len() <= KEY).then(|| text.to_owned())
    };
    Meta {
        correlation: text("x-correlation-id")
            .or_else(|| text("x-request-id"))
            .unwrap_or_else(|| Uuid::now_v7().to_string()),
        causation: text("x-causation-id"),
        actor: caller.actor().map(str::to_owned),
        traceparent: text("traceparent").filter(|text| is_traceparent(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Version>, u16> {
        let headers = HeaderMap::from_iter([(http::header::IF_MATCH, text.parse().unwrap())]);
        if_match(&headers, &LogId::stored("a1")).map_err(|problem| problem.status)
    }

    #[test]
    fn a_state_that_is_shown_by_other_bytes_has_another_tag() {
        let log = LogId::stored("a1");
        let tag = |body: &str| state_etag(5, &log, body.as_bytes());
        assert_eq!(tag("{\"total\":1}"), tag("{\"total\":1}"));
        assert_ne!(tag("{\"total\":1}"), tag("{\"sum\":1}"));
    }

    #[test]
    fn an_expectation_is_a_version_of_this_log() {
        assert_eq!(read(&etag(5, &LogId::stored("a1"))), Ok(Some(5)));
        assert_eq!(read(&state_etag(5, &LogId::stored("a1"), b"{}")), Ok(Some(5)));
        assert_eq!(read(&state_etag(5, &LogId::stored("a2"), b"{}")), Err(412));
        assert_eq!(read("\"5-a1-v2-0f0f0f0f\""), Ok(Some(5)));
        assert_eq!(read("\"5\""), Ok(Some(5)));
        assert_eq!(read("*"), Ok(None));
        for another in ["\"5-a2\"", "\"5-a2-v2-0f0f0f0f\"", "\"5-a\"", "\"5-a11\"", "\"5-v2-a1\""] {
            assert_eq!(read(another), Err(412), "{another}");
        }
        for bad in [
            "",
            "5",
            "5-a1",
            "\"\"",
            "\"-5\"",
            "\"+5\"",
            "\"-a1\"",
            "\"5-\"",
            "\"5--\"",
            "\"x\"",
            "W/\"5\"",
            "\"5",
            "\"5\", \"6\"",
        ] {
            assert_eq!(read(bad), Err(400), "{bad}");
        }
    }
}
