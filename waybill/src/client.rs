//! HTTP to the services.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client as Pool, Error};
use hyper_util::rt::TokioExecutor;
use kernel::{Failure, Result};
use serde_json::Value;

/// One of the services; connections are kept and used again.
#[derive(Clone)]
pub struct Client {
    base: String,
    pool: Pool<HttpConnector, Full<Bytes>>,
}

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
}

impl Client {
    /// For the service at this URL, with or without a slash at its end.
    pub fn new(base: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let pool = Pool::builder(TokioExecutor::new()).build(connector);
        Self { base: base.trim_end_matches('/').to_owned(), pool }
    }

    /// The service's URL, without a slash at its end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Sends a request; any answer is a success here.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Response> {
        let what = format!("{method} {}{path}", self.base);
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request =
            request.body(Full::new(body.into())).map_err(|e| Failure::permanent(&what, e))?;
        let broken = |error: Error| Failure::transient(&what, causes(&error));
        let answer = self.pool.request(request).await.map_err(broken)?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(|e| Failure::transient(&what, e))?.to_bytes();
        Ok(Response { status: head.status, headers: head.headers, body })
    }

    /// Gets JSON; an answer that is none, or no success, is an error.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let answer = self.send(Method::GET, path, &[], Bytes::new()).await?;
        if answer.status.is_success() {
            return answer.json();
        }
        let told = String::from_utf8_lossy(&answer.body).into_owned();
        Err(Failure::transient(
            &format!("GET {}{path}", self.base),
            format!("{}: {told}", answer.status),
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

fn causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
