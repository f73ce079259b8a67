//! Traces: what became of a request, from its headers to the live update, as spans for OpenTelemetry
//! (<https://opentelemetry.io/docs/specs/otel/trace/api/>).
//!
//! The span of a request goes on with the trace of its client's `traceparent`
//! (<https://www.w3.org/TR/trace-context/>), or begins one. Its context takes the place of that header:
//! it is kept with the events that the request leads to, and is the parent of all that happens to them.
//! What several requests share is told as a span of its own, which has links to theirs. All but the
//! span of a request is told after it happened, so that nothing is made where no trace is recorded.

#[cfg(feature = "traces")]
mod otlp;
#[cfg(feature = "traces")]
mod recording;
mod settings;

#[cfg(feature = "traces")]
pub use self::otlp::{end, start};
#[cfg(feature = "traces")]
pub use self::recording::{RequestSpan, Step, recorded};
pub(crate) use self::settings::problems;
#[cfg(not(feature = "traces"))]
pub use self::silent::{RequestSpan, Step, end, recorded, start};

/// Where spans go; with the next one, all standard variables. None are made without.
pub const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// The same for traces alone: the whole URL.
pub const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";

/// The target of what the exporter logs: below a warning that is the URL of the collector, which may hold a
/// key, and what it answered.
pub(crate) const EXPORTER: &str = "opentelemetry-otlp";

/// What a span is about, by the names of OpenTelemetry's conventions where they have one.
pub type Attributes = Vec<(&'static str, String)>;

/// Its role between processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Within a process.
    Internal,
    /// It sends what another process takes.
    Producer,
    /// It takes what another process sent.
    Consumer,
}

/// In a build without traces.
#[cfg(not(feature = "traces"))]
mod silent {
    use http::{Request, StatusCode};

    use super::{Attributes, ENDPOINT, Kind, TRACES_ENDPOINT};

    /// Nothing is recorded; where the environment asks for it, the log says so.
    pub fn start() {
        let is_set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if let Some(variable) = [ENDPOINT, TRACES_ENDPOINT].iter().find(|name| is_set(name)) {
            tracing::warn!(variable, "this program was built without traces, and sends none");
        }
    }

    /// Nothing is left to send.
    pub async fn end() {}

    /// No trace is.
    pub fn recorded(_: Option<&str>) -> Option<&str> {
        None
    }

    /// Of no request.
    pub struct RequestSpan;

    impl RequestSpan {
        /// None is told.
        pub fn begin<B>(_: &'static str, _: &mut Request<B>) -> Option<Self> {
            None
        }

        /// Nothing is told.
        pub fn end(self, _: &str, _: StatusCode) {}
    }

    /// Of no trace.
    #[derive(Clone)]
    pub struct Step;

    impl Step {
        /// None is told.
        pub fn begin(_: &'static str, _: Kind) -> Option<Self> {
            None
        }

        /// Nothing is told.
        pub fn failed(self, _: &impl ToString) -> Self {
            self
        }

        /// Nothing is told.
        pub fn became<T, E: ToString>(self, _: &Result<T, E>) -> Self {
            self
        }

        /// Nothing is told.
        pub fn end<'a, F: FnOnce() -> Attributes>(
            self,
            _: Attributes,
            _: impl Iterator<Item = (Option<&'a str>, F)>,
        ) {
        }
    }
}
