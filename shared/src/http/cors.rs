//! Pages of other origins that may ask a service: those that its operator has named
//! (<https://fetch.spec.whatwg.org/#http-cors-protocol>).

use std::collections::BTreeSet;

use http::{HeaderMap, HeaderValue, Method, Uri, header};
use warp::reply::Response;

/// What a page may read of an answer besides its body.
const EXPOSED: &str = "consistency-token, etag, location, retry-after, x-request-id";
/// What a page may send.
const HEADERS: &str = "authorization, consistency-token, content-type, idempotency-key, if-match, \
                       if-none-match, last-event-id, prefer, traceparent, x-causation-id, \
                       x-correlation-id, x-request-id";
/// Seconds that a browser need not ask again.
const MAX_AGE: &str = "600";

/// Origins, as a browser writes them: `https://dashboard.example.com`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origins(BTreeSet<String>);

impl Origins {
    /// Reads origins, separated by commas. `*` is none: who asks is always named, so an answer that is
    /// for a page with a cookie is never for any page.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = || {
            format!(
                "expected origins such as https://dashboard.example.com,http://127.0.0.1:8081, got {text:?}"
            )
        };
        let origin = |one: &str| origin(one.trim()).ok_or_else(expected);
        Ok(Self(text.split(',').map(origin).collect::<Result<_, _>>()?))
    }

    /// The pages of a service on this machine's loopback interface.
    pub fn of_loopback(scheme: &str, port: u16) -> Self {
        let url = |host| format!("{scheme}://{host}:{port}");
        Self(["127.0.0.1", "localhost", "[::1]"].map(url).into())
    }

    /// These and the others.
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let given = headers.get(header::ORIGIN)?;
        given.to_str().is_ok_and(|origin| self.0.contains(origin)).then(|| given.clone())
    }
}

/// A public URL of a service, and the origin of pages from there: scheme, host and port alone.
pub fn origin(text: &str) -> Option<String> {
    let uri: Uri = text.parse().ok()?;
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?.as_str());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    let written = format!("{scheme}://{authority}").to_ascii_lowercase();
    let fits = ["http", "https"].contains(&scheme) && authority.bytes().all(plain);
    (fits && text.trim_end_matches('/').eq_ignore_ascii_case(&written)).then_some(written)
}

/// Which pages may do what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cors {
    /// Pages that may read answers.
    pub readers: Origins,
    /// Pages that may read answers and change something.
    pub writers: Origins,
    /// Whether browsers send the cookie of a session for them.
    pub with_cookie: bool,
}

impl Cors {
    /// With all that it is made of.
    pub fn new(readers: Origins, writers: Origins, with_cookie: bool) -> Self {
        Self { readers, writers, with_cookie }
    }

    /// The origin that the headers name, where it is allowed.
    pub fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        self.writers.allowed(headers).or_else(|| self.readers.allowed(headers))
    }

    /// Whether the headers name an origin whose pages may change something.
    pub fn may_write(&self, headers: &HeaderMap) -> bool {
        self.writers.allowed(headers).is_some()
    }

    /// The answer to a browser that asks what a page may send.
    pub fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response> {
        let asks = headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if method != Method::OPTIONS || !asks {
            return None;
        }
        let origin = self.allowed(headers)?;
        let methods = match self.may_write(headers) {
            true => "GET, HEAD, POST, DELETE",
            false => "GET, HEAD",
        };
        let mut response = crate::http::answer::no_content();
        let fixed = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, methods),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
            (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE),
        ];
        for (name, value) in fixed {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        self.allow(&mut response, Some(origin));
        Some(response)
    }

    /// Lets a page of this origin read the answer.
    pub fn allow(&self, response: &mut Response, origin: Option<HeaderValue>) {
        if self.readers.0.is_empty() && self.writers.0.is_empty() {
            return;
        }
        let headers = response.headers_mut();
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        if let Some(origin) = origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            let exposed = HeaderValue::from_static(EXPOSED);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
            if self.with_cookie {
                let yes = HeaderValue::from_static("true");
                headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(origin: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, origin.parse().unwrap());
        headers.insert(header::ACCESS_CONTROL_REQUEST_METHOD, "GET".parse().unwrap());
        headers
    }

    #[test]
    fn origins_are_scheme_host_and_port_alone() {
        for good in ["http://127.0.0.1:8081", "https://a.example.com", "http://[::1]:80/"] {
            assert!(Origins::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "*",
            "null",
            "a.example",
            "ftp://a",
            "http://a/b",
            "http://u@a",
            "http://a,",
            "http://a;script-src *",
            "http://a?b",
        ] {
            assert!(Origins::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_named_origins_are_allowed() {
        let origins = Origins::of_loopback("http", 8081);
        let read = Cors { readers: origins.clone(), ..Cors::default() };
        let write = Cors { writers: origins, ..Cors::default() };
        let ask = |cors: &Cors, origin| cors.preflight(&Method::OPTIONS, &from(origin));
        assert!(ask(&read, "http://localhost:8082").is_none());
        assert!(ask(&Cors::default(), "http://localhost:8081").is_none());
        let methods = |cors: &Cors| {
            let answer = ask(cors, "http://localhost:8081").unwrap();
            answer.headers()["access-control-allow-methods"].to_str().unwrap().to_owned()
        };
        assert_eq!(methods(&read), "GET, HEAD");
        assert!(methods(&write).contains("POST"));
        assert!(read.preflight(&Method::GET, &from("http://localhost:8081")).is_none());
    }
}
