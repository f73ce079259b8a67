//! The id of each request: its client's `X-Request-Id`, or one that is made here. It is in the answer, in
//! problems, and in whatever is logged while the request is answered.

use std::cell::OnceCell;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use uuid::Uuid;
use warp::reply::Response;

use super::traceparent::is_traceparent;

/// Of requests and of answers.
pub const NAME: HeaderName = HeaderName::from_static("x-request-id");
/// Bytes of the longest id.
const MAX: usize = 128;
/// Bytes of the longest other header that is logged.
const MAX_LOGGED: usize = 255;

tokio::task_local! {
    static CURRENT: Current;
}

/// The request that a task answers.
pub(super) struct Current {
    id: HeaderValue,
    correlation: Option<HeaderValue>,
    /// Known once the request has a span.
    traceparent: OnceCell<HeaderValue>,
}

/// What is logged of a request.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Logged<'a> {
    /// Without spaces and quotes.
    pub request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<&'a str>,
}

impl Current {
    /// Takes the id of the client, where it is one, or makes a UUID of version 7. The headers have it
    /// from now on, and no other.
    pub(super) fn of(headers: &mut HeaderMap) -> Self {
        let mut given = headers.get_all(NAME).iter();
        let id = given.next().filter(|id| is_id(id.as_bytes()) && given.next().is_none()).cloned();
        let id = id.unwrap_or_else(|| {
            let made = made();
            headers.insert(NAME, made.clone());
            made
        });
        let correlation = headers.get("x-correlation-id").cloned();
        Self { id, correlation, traceparent: OnceCell::new() }
    }

    /// Whatever happens within `answer` is of this request; its answer has the id.
    pub(super) async fn scope(self, answer: impl Future<Output = Response>) -> Response {
        let id = self.id.clone();
        let mut response = CURRENT.scope(self, answer).await;
        response.headers_mut().insert(NAME, id);
        response
    }

    fn logged(&self) -> Logged<'_> {
        fn text(value: &HeaderValue) -> Option<&str> {
            value.to_str().ok().filter(|text| text.len() <= MAX_LOGGED)
        }
        Logged {
            request_id: text(&self.id).unwrap_or_default(),
            correlation: self.correlation.as_ref().and_then(text),
            traceparent: self.traceparent.get().and_then(text),
        }
    }
}

/// The current request is of this trace, if what names it has the form of one.
pub(super) fn is_traced(headers: &HeaderMap) {
    let given = headers.get("traceparent");
    let given = given.filter(|given| given.to_str().is_ok_and(is_traceparent));
    let Some(traceparent) = given else { return };
    // Outside of a request there is nothing to tell.
    let told = CURRENT.try_with(|request| request.traceparent.set(traceparent.clone()));
    debug_assert!(told.is_ok());
}

/// What is known of the request that this task answers; nothing elsewhere.
pub(crate) fn with_current<T>(tell: impl FnOnce(Logged<'_>) -> T) -> Option<T> {
    CURRENT.try_with(|request| tell(request.logged())).ok()
}

fn is_id(bytes: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:+/=@".contains(byte);
    (1..=MAX).contains(&bytes.len()) && bytes.iter().all(fits)
}

fn made() -> HeaderValue {
    let mut buffer = Uuid::encode_buffer();
    let text = Uuid::now_v7().hyphenated().encode_lower(&mut buffer);
    // Digits and hyphens always fit.
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("none"))
}

/// Carries out `write` as a part of a request: for tests of what is logged.
#[cfg(test)]
pub(crate) fn within<T>(pairs: &[(&'static str, &str)], write: impl FnOnce() -> T) -> T {
    let pair = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    let mut headers: HeaderMap = pairs.iter().map(pair).collect();
    let request = Current::of(&mut headers);
    CURRENT.sync_scope(request, || {
        is_traced(&headers);
        write()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_of(given: &[&[u8]]) -> (String, usize) {
        let mut headers = HeaderMap::new();
        for value in given {
            headers.append(NAME, HeaderValue::from_bytes(value).unwrap());
        }
        let id = Current::of(&mut headers).id;
        assert_eq!(headers[NAME], id);
        (id.to_str().unwrap().to_owned(), headers.get_all(NAME).iter().count())
    }

    #[test]
    fn an_id_of_the_client_is_kept_and_a_bad_one_is_replaced() {
        let long = "x".repeat(MAX + 1);
        for good in ["7", "checkout-7781", "a/b+c==", "01a208c5-8cff-7531", &long[1..]] {
            assert_eq!(id_of(&[good.as_bytes()]), (good.to_owned(), 1));
        }
        let bad: [&[&[u8]]; 9] = [
            &[],
            &[b""],
            &[b"a b"],
            &[b"a\"b"],
            &[b"a,b"],
            &[b"a\tb"],
            &["ü".as_bytes()],
            &[long.as_bytes()],
            &[b"a", b"b"],
        ];
        for given in bad {
            let (id, count) = id_of(given);
            assert_eq!(Uuid::parse_str(&id).unwrap().get_version_num(), 7, "{given:?}");
            assert_eq!(count, 1);
        }
    }

    #[test]
    fn a_trace_of_another_form_is_not_told() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        for (given, kept) in [(good, Some(good)), ("x", None), (&good[3..], None), ("", None)] {
            let told = || with_current(|request| request.traceparent.map(str::to_owned));
            let told = within(&[("traceparent", given)], told).unwrap();
            assert_eq!(told.as_deref(), kept, "{given}");
        }
    }

    #[test]
    fn nothing_is_told_outside_of_a_request() {
        assert_eq!(with_current(|_| ()), None);
    }
}
