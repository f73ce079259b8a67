//! Sending spans by OTLP over HTTP (<https://opentelemetry.io/docs/specs/otlp/>): in the background,
//! from a bounded queue, each request with a deadline. What does not fit is dropped, and told in the log.

use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;

use super::settings::headers;
use super::{ENDPOINT, TRACES_ENDPOINT};

/// Without `OTEL_EXPORTER_OTLP_TIMEOUT`, as the specification has it.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long the last spans may take when the service ends.
const END_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of an answer of the collector that are read.
const MAX_ANSWER: usize = 64 << 10;

struct Tracing {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

static TRACING: OnceLock<Tracing> = OnceLock::new();

/// The tracer of this process, where traces are recorded.
pub(super) fn tracer() -> Option<&'static SdkTracer> {
    TRACING.get().map(|tracing| &tracing.tracer)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn is_wanted() -> bool {
    let is_off = variable("OTEL_SDK_DISABLED").is_some_and(|it| it.eq_ignore_ascii_case("true"))
        || variable("OTEL_TRACES_EXPORTER").is_some_and(|it| it == "none");
    !is_off && (variable(ENDPOINT).is_some() || variable(TRACES_ENDPOINT).is_some())
}

/// Begins to record traces, where the environment asks for it. In a runtime of tokio.
pub fn start() {
    if !is_wanted() || TRACING.get().is_some() {
        return;
    }
    let millis = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
    let millis = millis.into_iter().find_map(variable).and_then(|text| text.parse().ok());
    let sender = Sender {
        client: Client::builder(TokioExecutor::new()).build_http(),
        runtime: Handle::current(),
        timeout: millis.map_or(TIMEOUT, Duration::from_millis),
    };
    let headers = match headers(variable) {
        Ok(headers) => headers,
        Err(error) => return tracing::error!(%error, "no traces are recorded"),
    };
    let exporter = SpanExporter::builder().with_http().with_http_client(sender);
    let exporter = match exporter.with_headers(headers).build() {
        Ok(exporter) => exporter,
        Err(error) => return tracing::error!(%error, "no traces are recorded"),
    };
    let mut resource = Resource::builder()
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", uuid::Uuid::new_v4().to_string()));
    if variable("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name(program());
    }
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource.build())
        .build();
    let tracer = provider.tracer("waybill");
    drop(TRACING.set(Tracing { provider, tracer }));
    tracing::info!("traces are recorded");
}

/// The name of the program's file.
fn program() -> String {
    let path = std::env::current_exe().ok();
    let name = path.as_ref().and_then(|path| path.file_stem());
    name.map_or_else(|| "waybill".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Sends what is left, for up to 5 s.
pub async fn end() {
    let Some(tracing) = TRACING.get() else { return };
    let end = || tracing.provider.shutdown_with_timeout(END_TIMEOUT);
    if let Ok(Err(error)) = tokio::task::spawn_blocking(end).await {
        tracing::warn!(%error, "the last spans were not sent");
    }
}

/// Sends from a thread that is none of tokio's.
#[derive(Debug)]
struct Sender {
    client: Client<HttpConnector, Full<Bytes>>,
    runtime: Handle,
    timeout: Duration,
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.client.request(request.map(Full::new));
        let answer = async move {
            let (head, body) = sent.await?.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        };
        let timeout = self.timeout;
        self.runtime.spawn(async move { tokio::time::timeout(timeout, answer).await }).await??
    }
}
