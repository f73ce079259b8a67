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

#[cfg(feature = "traces")]
pub use self::otlp::{end, start};
#[cfg(feature = "traces")]
pub use self::recording::{RequestSpan, Step, recorded};
#[cfg(not(feature = "traces"))]
pub use self::silent::{RequestSpan, Step, end, recorded, start};

/// Where spans go; with the next one, all standard variables. None are made without.
pub const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// The same for traces alone: the whole URL.
pub const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";

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

/// What is wrong with the standard variables; `variable` looks one up.
pub(crate) fn problems(variable: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut problems = vec![];
    for name in [ENDPOINT, TRACES_ENDPOINT] {
        let value = variable(name).filter(|value| !value.is_empty());
        if value.as_ref().is_some_and(|value| !value.starts_with("http://")) {
            problems.push(format!(
                "{name}: expected a URL that starts with http://, such as http://127.0.0.1:4318; \
                 a collector beside the service can send on with TLS"
            ));
        }
    }
    for name in ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] {
        let value = variable(name).filter(|value| !value.is_empty());
        if let Some(value) = value.filter(|value| value != "http/protobuf") {
            problems.push(format!("{name}: expected http/protobuf, got {value:?}"));
        }
    }
    let known = [
        "always_on",
        "always_off",
        "traceidratio",
        "parentbased_always_on",
        "parentbased_always_off",
        "parentbased_traceidratio",
    ];
    let sampler = variable("OTEL_TRACES_SAMPLER").filter(|value| !value.is_empty());
    if let Some(value) = sampler.as_ref().filter(|value| !known.contains(&value.as_str())) {
        let known = known.join(", ");
        problems.push(format!("OTEL_TRACES_SAMPLER: expected one of {known}, got {value:?}"));
    }
    let ratio = variable("OTEL_TRACES_SAMPLER_ARG").filter(|value| !value.is_empty());
    let is_ratio = |text: &String| text.parse().is_ok_and(|ratio| (0.0..=1.0).contains(&ratio));
    if sampler.is_some_and(|sampler| sampler.ends_with("ratio"))
        && !ratio.as_ref().is_some_and(is_ratio)
    {
        problems.push(format!(
            "OTEL_TRACES_SAMPLER_ARG: expected the part of requests to be traced, from 0 to 1, \
             got {ratio:?}"
        ));
    }
    problems
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

#[cfg(test)]
mod tests {
    use super::*;

    fn problems_of(pairs: &[(&str, &str)]) -> Vec<String> {
        let find = |name: &str| pairs.iter().find(|(key, _)| *key == name);
        problems(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn what_is_wrong_with_the_standard_variables_is_told_by_name() {
        assert_eq!(problems_of(&[(ENDPOINT, ""), ("OTEL_TRACES_SAMPLER", "always_on")]), [""; 0]);
        let wrong = [
            (TRACES_ENDPOINT, "https://collector"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_TRACES_SAMPLER", "sometimes"),
        ];
        let told = problems_of(&wrong);
        assert!(told.len() >= 3, "{told:?}");
        for (name, _) in wrong {
            assert!(told.iter().any(|problem| problem.starts_with(name)), "{told:?}");
        }
        for ratio in ["", "2", "half"] {
            let of = [("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", ratio)];
            assert_eq!(problems_of(&of).len(), 1, "{ratio}");
        }
        let right = [("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.1")];
        assert_eq!(problems_of(&right), [""; 0]);
    }
}
