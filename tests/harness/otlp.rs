//! A collector of traces: it takes OTLP over HTTP in protobuf, as any collector does
//! (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>), and keeps the spans.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use warp::Filter as _;

use shared::http::{Hosts, Limits, answer, close, serve};

/// A span as it arrived; ids in hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub service: String,
    pub name: String,
    pub trace: String,
    pub id: String,
    pub parent: String,
    /// Trace and span of each link.
    pub links: Vec<(String, String)>,
    pub attributes: Vec<(String, String)>,
    /// The description of its status, where that is Error.
    pub error: Option<String>,
}

impl Span {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

pub struct Collector {
    pub endpoint: String,
    spans: Arc<Mutex<Vec<Span>>>,
    keys: Arc<Mutex<Vec<String>>>,
    _stop: DropGuard,
}

impl Collector {
    pub async fn start() -> Self {
        let spans = Arc::<Mutex<Vec<Span>>>::default();
        let keys = Arc::<Mutex<Vec<String>>>::default();
        let (kept, shown) = (spans.clone(), keys.clone());
        let traces = warp::path!("v1" / "traces").and(warp::post());
        let traces = traces.and(warp::header::headers_cloned()).and(warp::body::bytes()).map(
            move |headers: http::HeaderMap, body: Bytes| {
                let key = headers.get("api-key").map(|key| key.to_str().expect("text").to_owned());
                shown.lock().unwrap_or_else(PoisonError::into_inner).extend(key);
                let request = ExportTraceServiceRequest::decode(body).expect("OTLP in protobuf");
                kept.lock().unwrap_or_else(PoisonError::into_inner).extend(read(request));
                let answer = ExportTraceServiceResponse::default().encode_to_vec();
                answer::bytes(http::StatusCode::OK, answer, "application/x-protobuf")
            },
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let stop = CancellationToken::new();
        let routes = close(traces.boxed(), "POST");
        let (hosts, limits) = (Hosts::default(), Limits::of_process(1));
        tokio::spawn(serve(listener, routes, hosts, limits, stop.clone()));
        Self { endpoint, spans, keys, _stop: stop.drop_guard() }
    }

    /// What makes a service send its spans here, soon.
    pub fn variables(&self) -> [(&str, &str); 2] {
        [("OTEL_EXPORTER_OTLP_ENDPOINT", &self.endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "50")]
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The header `api-key` of each request that has one.
    pub fn keys(&self) -> Vec<String> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Those of one trace.
    pub fn trace(&self, trace: &str) -> Vec<Span> {
        self.spans().into_iter().filter(|span| span.trace == trace).collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn texts(attributes: Vec<KeyValue>) -> Vec<(String, String)> {
    let text = |value: Value| match value {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let value = |pair: KeyValue| Some((pair.key, text(pair.value?.value?)));
    attributes.into_iter().filter_map(value).collect()
}

fn read(request: ExportTraceServiceRequest) -> Vec<Span> {
    let mut spans = vec![];
    for resource in request.resource_spans {
        let about = texts(resource.resource.map(|it| it.attributes).unwrap_or_default());
        let service = about.iter().find(|(name, _)| name == "service.name");
        let service = service.map(|(_, value)| value.clone()).unwrap_or_default();
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            let links = span.links.iter().map(|link| (hex(&link.trace_id), hex(&link.span_id)));
            spans.push(Span {
                service: service.clone(),
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                links: links.collect(),
                error: span
                    .status
                    .filter(|status| status.code() == StatusCode::Error)
                    .map(|status| status.message),
                name: span.name,
                attributes: texts(span.attributes),
            });
        }
    }
    spans
}
