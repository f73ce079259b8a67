//! Fetching the keys of a provider, by HTTP.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kernel::{Failure, Result};

use crate::endpoint::{Endpoint, JWKS};

/// For a whole answer, from the connection on.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a set at most: some 40 keys of the longest kind.
const MAX_BYTES: usize = 64 << 10;
/// In messages.
const WHAT: &str = "fetching the keys of the identity provider";

/// Asks one URL. Redirects are not followed: the keys come from the configured address alone.
pub struct Fetcher {
    uri: Uri,
    endpoint: Endpoint,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

impl Fetcher {
    /// A URL that is none is a permanent failure.
    pub fn new(endpoint: &Endpoint) -> Result<Self> {
        // The error does not repeat the URL.
        let uri = endpoint.expose_url().parse().map_err(|e| Failure::permanent(WHAT, e))?;
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        let tls = endpoint.tls(&JWKS).unwrap_or_default();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(Arc::unwrap_or_clone(tls.config()))
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        // A fetch is rare: a connection that is kept would mostly be found closed.
        let mut client = Client::builder(TokioExecutor::new());
        client.pool_max_idle_per_host(0);
        Ok(Self { uri, endpoint: endpoint.clone(), client: client.build(connector) })
    }

    /// The body of a good answer; takes up to 10 s, and up to 64 KiB.
    pub async fn fetch(&self) -> Result<Bytes> {
        let late = |_| {
            let seconds = TIMEOUT.as_secs();
            Failure::transient(WHAT, format!("no whole answer in {seconds} s"))
        };
        tokio::time::timeout(TIMEOUT, self.ask()).await.map_err(late)?
    }

    async fn ask(&self) -> Result<Bytes> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        let accepted = HeaderValue::from_static("application/jwk-set+json, application/json");
        headers.insert(header::ACCEPT, accepted);
        let program = HeaderValue::from_static(concat!("waybill/", env!("CARGO_PKG_VERSION")));
        headers.insert(header::USER_AGENT, program);
        let answer = self.client.request(request).await.map_err(|error| {
            let failure = Failure::transient(WHAT, causes(&error));
            self.endpoint.explained(&JWKS, failure)
        })?;
        if answer.status() != StatusCode::OK {
            let status = answer.status();
            return Err(Failure::transient(WHAT, format!("expected status 200, got {status}")));
        }
        let body = Limited::new(answer.into_body(), MAX_BYTES).collect().await;
        let body = body.map_err(|error| match error.is::<LengthLimitError>() {
            true => Failure::transient(WHAT, format!("expected up to {MAX_BYTES} bytes")),
            false => Failure::transient(WHAT, error),
        })?;
        Ok(body.to_bytes())
    }
}

fn causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
