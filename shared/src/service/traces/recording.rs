//! Making spans.

use std::time::SystemTime;

use http::{HeaderValue, Request, StatusCode};
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{
    Link, Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt as _, Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::Span;

use super::otlp::tracer;
use super::{Attributes, Kind};

const TRACEPARENT: &str = "traceparent";
/// <https://opentelemetry.io/docs/specs/semconv/registry/attributes/error/>: the status of an answer, or
/// `_OTHER`, as there are no types of failures to tell apart.
const ERROR_TYPE: &str = "error.type";
/// Characters of the longest description of an error.
const MAX_DESCRIPTION: usize = 500;
/// Links of a span to the requests that share it, at most.
const MAX_LINKS: usize = 128;

/// A single `traceparent`.
struct Parent<'a>(&'a str);

impl Extractor for Parent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == TRACEPARENT).then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

/// The context that a `traceparent` names; without one, or with a malformed one, that of no span.
fn context(traceparent: Option<&str>) -> Context {
    let none = Context::new();
    match traceparent {
        Some(text) => TraceContextPropagator::new().extract_with_context(&none, &Parent(text)),
        None => none,
    }
}

/// The context of a trace that is recorded.
fn recorded_context(traceparent: Option<&str>) -> Option<SpanContext> {
    let found = context(traceparent).span().span_context().clone();
    found.is_sampled().then_some(found)
}

/// The `traceparent`, if this process records traces and that one is recorded.
pub fn recorded(traceparent: Option<&str>) -> Option<&str> {
    tracer()?;
    recorded_context(traceparent)?;
    traceparent
}

fn written(context: &SpanContext) -> String {
    let (trace, span) = (context.trace_id(), context.span_id());
    format!("00-{trace}-{span}-{:02x}", context.trace_flags().to_u8())
}

fn attributes(of: Attributes) -> impl Iterator<Item = KeyValue> {
    of.into_iter().map(|(name, value)| KeyValue::new(name, value))
}

/// The span of a request that is being answered.
pub struct RequestSpan {
    span: Span,
    method: &'static str,
}

impl RequestSpan {
    /// Begins it, and puts its context into the headers; `method` is one of few. `None` where no traces
    /// are recorded, and for what probes and Prometheus ask.
    pub fn begin<B>(method: &'static str, request: &mut Request<B>) -> Option<Self> {
        let tracer = tracer()?;
        let (uri, headers) = (request.uri(), request.headers());
        if ["/livez", "/readyz", "/metrics"].contains(&uri.path()) {
            return None;
        }
        let before = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok());
        let (parent, is_traced) = (context(before), before.is_some());
        let mut about = vec![
            KeyValue::new("http.request.method", method),
            KeyValue::new("url.path", uri.path().to_owned()),
            KeyValue::new("url.scheme", "http"),
        ];
        let correlation = headers.get("x-correlation-id").and_then(|value| value.to_str().ok());
        about.extend(correlation.map(|id| KeyValue::new("waybill.correlation", id.to_owned())));
        let id = headers.get("x-request-id").and_then(|value| value.to_str().ok());
        about.extend(id.map(|id| KeyValue::new("waybill.request", id.to_owned())));
        let builder = SpanBuilder::from_name(method).with_kind(SpanKind::Server);
        let span = tracer.build_with_context(builder.with_attributes(about), &parent);
        let context = span.span_context();
        if (context.is_sampled() || is_traced)
            && let Ok(value) = HeaderValue::from_str(&written(context))
        {
            request.headers_mut().insert(TRACEPARENT, value);
        }
        Some(Self { span, method })
    }

    /// Ends it. `route` is one of few.
    pub fn end(mut self, route: &str, status: StatusCode) {
        self.span.update_name(format!("{} {route}", self.method));
        self.span.set_attribute(KeyValue::new("http.route", route.to_owned()));
        let code = i64::from(status.as_u16());
        self.span.set_attribute(KeyValue::new("http.response.status_code", code));
        // What a client did wrong is no error of the server's span, and the status says it all.
        if status.is_server_error() {
            self.span.set_attribute(KeyValue::new(ERROR_TYPE, status.as_str().to_owned()));
            self.span.set_status(Status::error(""));
        }
        self.span.end();
    }
}

/// Something that happens to what several requests have led to, at the same time.
#[derive(Clone)]
pub struct Step {
    name: &'static str,
    kind: Kind,
    began: SystemTime,
    /// Why it failed.
    failure: Option<String>,
}

impl Step {
    /// Notes when it begins. `None` where no traces are recorded.
    pub fn begin(name: &'static str, kind: Kind) -> Option<Self> {
        tracer().map(|_| Self { name, kind, began: SystemTime::now(), failure: None })
    }

    /// It failed: its spans have the status Error, with this description.
    pub fn failed(self, why: &impl ToString) -> Self {
        let why = why.to_string().chars().take(MAX_DESCRIPTION).collect();
        Self { failure: Some(why), ..self }
    }

    /// The same where it failed; as it is where it did not.
    pub fn became<T, E: ToString>(self, result: &Result<T, E>) -> Self {
        match result {
            Ok(_) => self,
            Err(error) => self.failed(error),
        }
    }

    /// It is over: told to each of these traces that is recorded, as a child of what its `traceparent`
    /// names. When several are, a span of its own is told too: the children and it have links to each
    /// other. `shared` is about all of them.
    pub fn end<'a, F: FnOnce() -> Attributes>(
        self,
        shared: Attributes,
        members: impl Iterator<Item = (Option<&'a str>, F)>,
    ) {
        let Some(tracer) = tracer() else { return };
        let members: Vec<(SpanContext, Attributes)> = members
            .filter_map(|(traceparent, of)| Some((recorded_context(traceparent)?, of())))
            .collect();
        let ended = SystemTime::now();
        let builder = |name: String| {
            let kind = match self.kind {
                Kind::Internal => SpanKind::Internal,
                Kind::Producer => SpanKind::Producer,
                Kind::Consumer => SpanKind::Consumer,
            };
            SpanBuilder::from_name(name).with_kind(kind).with_start_time(self.began)
        };
        let end = |mut span: Span| {
            if let Some(why) = &self.failure {
                span.set_attribute(KeyValue::new(ERROR_TYPE, "_OTHER"));
                span.set_status(Status::error(why.clone()));
            }
            span.end_with_timestamp(ended);
        };
        let shared: Vec<KeyValue> = attributes(shared).collect();
        let mut of_all = vec![];
        if members.len() > 1 {
            let links = members.iter().take(MAX_LINKS);
            let links = links.map(|(context, _)| Link::with_context(context.clone())).collect();
            let count = KeyValue::new("waybill.traces", members.len() as i64);
            let about = shared.iter().cloned().chain([count]);
            let all = builder(format!("{} together", self.name)).with_links(links);
            let all = tracer.build_with_context(all.with_attributes(about), &Context::new());
            of_all.push(Link::with_context(all.span_context().clone()));
            end(all);
        }
        for (context, of) in members {
            let parent = Context::new().with_remote_span_context(context);
            let about = shared.iter().cloned().chain(attributes(of));
            let one = builder(self.name.to_owned()).with_attributes(about);
            end(tracer.build_with_context(one.with_links(of_all.clone()), &parent));
        }
    }
}
