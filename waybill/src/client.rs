//! HTTP to the services.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client as Pool, Error};
use hyper_util::rt::TokioExecutor;
use kernel::{Failure, Result};
use serde_json::Value;
use shared::tls::ClientTls;

use crate::output::plain;

/// For a service to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// For a whole answer: longer than any service takes for one.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

static PUBLIC: LazyLock<ClientTls> = LazyLock::new(ClientTls::default);

/// One of the services; connections are kept and used again.
#[derive(Clone)]
pub struct Client {
    base: String,
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
    token: BearerToken,
}

/// What a client shows of who it is: a token, or nothing.
#[derive(Debug, Clone, Default)]
pub struct BearerToken(Option<HeaderValue>);

impl BearerToken {
    /// Of this token; of nothing, where the text is empty. Says why it is none, without repeating it.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let is_token = |byte: u8| byte.is_ascii_graphic();
        if !text.bytes().all(is_token) {
            return Err("expected a token: visible ASCII characters alone".to_owned());
        }
        let value = (!text.is_empty()).then(|| HeaderValue::try_from(format!("Bearer {text}")));
        let mut value = value.transpose().map_err(|error| error.to_string())?;
        if let Some(value) = &mut value {
            value.set_sensitive(true); // `Debug` does not print it.
        }
        Ok(Self(value))
    }
}

/// The body of an answer, as it comes.
pub type Body = UnsyncBoxBody<Bytes, Failure>;

/// An answer with its whole body.
pub struct Response {
    /// Of any class; errors of the service are answers, too.
    pub status: StatusCode,
    /// As they came.
    pub headers: HeaderMap,
    /// As it came.
    pub body: Bytes,
}

impl Response {
    /// The body as JSON; a failure where it is none.
    pub fn json(&self) -> Result<Value> {
        let bad = |error| Failure::permanent("reading an answer", error);
        serde_json::from_slice(&self.body).map_err(bad)
    }

    /// What it says of an error: the `detail` of a problem, else the whole body.
    pub fn told(&self) -> String {
        let problem: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        match problem["detail"].as_str() {
            Some(detail) => plain(detail),
            None => plain(&String::from_utf8_lossy(&self.body)),
        }
    }
}

impl Client {
    /// For the service at this URL, with or without a slash at its end. With `https` the CAs of
    /// Mozilla's list are trusted.
    pub fn new(base: &str) -> Self {
        Self::trusting(base, &PUBLIC)
    }

    /// The same, where these CAs are trusted.
    pub fn trusting(base: &str, tls: &ClientTls) -> Self {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(Arc::unwrap_or_clone(tls.config()))
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let pool = Pool::builder(TokioExecutor::new()).build(connector);
        let token = BearerToken::default();
        Self { base: base.trim_end_matches('/').to_owned(), pool, token }
    }

    /// The same, with this token in each request.
    pub fn with_token(mut self, token: &BearerToken) -> Self {
        self.token = token.clone();
        self
    }

    /// The service's URL, without a slash at its end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Sends a request; any answer is a success here. Takes up to two minutes.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Response> {
        let what = format!("{method} {}{path}", self.base);
        let whole = async {
            let (head, body) = self.open(method, path, headers, body).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok(Response { status: head.status, headers: head.headers, body })
        };
        let seconds = ANSWER_TIMEOUT.as_secs();
        let late = |_| Failure::transient(&what, format!("no whole answer in {seconds} s"));
        tokio::time::timeout(ANSWER_TIMEOUT, whole).await.map_err(late)?
    }

    /// The same, with a body that is read as it comes.
    pub async fn open(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<http::Response<Body>> {
        let what = format!("{method} {}{path}", self.base);
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if let Some(token) = &self.token.0 {
            request = request.header(header::AUTHORIZATION, token.clone());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request =
            request.body(Full::new(body.into())).map_err(|e| Failure::permanent(&what, e))?;
        let broken = |error: Error| Failure::transient(&what, causes(&error));
        let answer = self.pool.request(request).await.map_err(broken)?;
        Ok(answer
            .map(|body| body.map_err(move |error| Failure::transient(&what, error)).boxed_unsync()))
    }

    /// Gets JSON; an answer that is none, or no success, is an error.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let answer = self.send(Method::GET, path, &[], Bytes::new()).await?;
        if answer.status.is_success() {
            return answer.json();
        }
        Err(Failure::transient(
            &format!("GET {}{path}", self.base),
            format!("{}: {}", answer.status, answer.told()),
        ))
    }

    /// Posts a body of JSON; any answer is a success here.
    pub async fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Response> {
        let mut all = vec![("content-type", "application/json")];
        all.extend(headers);
        self.send(Method::POST, path, &all, body).await
    }
}

/// For a path or a query: only characters that stand for themselves (RFC 3986, section 2.3) are left
/// as they are.
pub fn encode(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

fn causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
