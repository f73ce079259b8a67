//! What the services write about themselves: to standard error, filtered by `WAYBILL_LOG`, as text or,
//! with `WAYBILL_LOG_FORMAT=json`, as one JSON object a line. What is written while a request is answered
//! has its `request_id`, and its `correlation` and `traceparent` where it has them.

use std::fmt;

use anstream::{AutoStream, ColorChoice};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::filter::targets::Targets;
use tracing_subscriber::fmt::format::{DefaultFields, Format, Json, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, format};
use tracing_subscriber::registry::LookupSpan;

use crate::http::request_id::with_current;
use crate::messaging::LOG_FILTER;
use crate::service::traces;

/// `text` or `json`.
pub(crate) const FORMAT: &str = "WAYBILL_LOG_FORMAT";
/// The value for JSON.
pub(crate) const JSON: &str = "json";
/// The value for text, and the default.
pub(crate) const TEXT: &str = "text";

/// Starts logging; `filter` as in `info,command_api=debug`
/// (<https://docs.rs/tracing-subscriber/latest/tracing_subscriber/filter/struct.EnvFilter.html>).
pub fn start(filter: &str) {
    // Of two directives for the same target the later one holds.
    let filter = EnvFilter::new(format!("{LOG_FILTER},{filter},{}", of_exporter(filter)));
    // As the command line decides it for its results: docs/reference/cli.md.
    let has_colors = AutoStream::choice(&std::io::stderr()) != ColorChoice::Never;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(has_colors);
    let logs = logs.with_writer(std::io::stderr);
    let started = match std::env::var(FORMAT) {
        Ok(format) if format == JSON => {
            logs.fmt_fields(JsonFields::new()).event_format(JsonLines::default()).try_init()
        }
        _ => logs.fmt_fields(TextFields::default()).try_init(),
    };
    // Fails only when a subscriber is there already, as in tests; that one serves too.
    drop(started);
}

/// What the log has of the exporter of traces, whatever is wanted: warnings at most.
fn of_exporter(filter: &str) -> String {
    let wanted = filter.parse::<Targets>().unwrap_or_default();
    let has_warnings = wanted.would_enable(traces::EXPORTER, &Level::WARN);
    format!("{}={}", traces::EXPORTER, if has_warnings { "warn" } else { "off" })
}

/// Writes the fields of a line, and behind them those of its request.
#[derive(Default)]
struct TextFields(DefaultFields);

impl<'writer> FormatFields<'writer> for TextFields {
    fn format_fields<R: RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        fields: R,
    ) -> fmt::Result {
        self.0.format_fields(writer.by_ref(), fields)?;
        let tell = |writer: &mut Writer<'_>| {
            with_current(|request| {
                write!(writer, " request_id={}", request.request_id)?;
                for (name, value) in
                    [("correlation", request.correlation), ("traceparent", request.traceparent)]
                {
                    value.map_or(Ok(()), |value| write!(writer, " {name}={value:?}"))?;
                }
                Ok(())
            })
        };
        tell(&mut writer).unwrap_or(Ok(()))
    }
}

/// Writes a line as a JSON object, with the fields of its request at the end.
struct JsonLines(Format<Json>);

impl Default for JsonLines {
    fn default() -> Self {
        Self(format().json().flatten_event(true))
    }
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let of_request = with_current(|request| serde_json::to_string(&request));
        let Some(Ok(of_request)) = of_request else {
            return self.0.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        let object = line.trim_end().strip_suffix('}').ok_or(fmt::Error)?;
        let fields = of_request.strip_prefix('{').ok_or(fmt::Error)?;
        writeln!(writer, "{object},{fields}")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;
    use crate::http::request_id::within;

    /// What is logged.
    #[derive(Clone, Default)]
    pub(crate) struct Lines(pub(crate) Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Lines {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn of_the_exporter_of_traces_there_are_warnings_at_most() {
        for wanted in ["trace", "warn", "info,opentelemetry-otlp=trace", "off,opentelemetry=debug"]
        {
            assert_eq!(of_exporter(wanted), "opentelemetry-otlp=warn", "{wanted}");
        }
        for wanted in ["error", "off", "info,opentelemetry-otlp=off"] {
            assert_eq!(of_exporter(wanted), "opentelemetry-otlp=off", "{wanted}");
        }
        let lines = Lines::default();
        let filter = format!("trace,opentelemetry-otlp=trace,{}", of_exporter("trace"));
        let logs = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(filter));
        let logs = logs.with_writer(lines.clone()).finish();
        tracing::subscriber::with_default(logs, || {
            tracing::debug!(target: "opentelemetry-otlp", "a url");
            tracing::warn!(target: "opentelemetry-otlp", "a warning");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("a warning") && !text.contains("a url"), "{text}");
    }

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const REQUEST: [(&str, &str); 3] =
        [("x-request-id", "a-7"), ("x-correlation-id", "b \"c\""), ("traceparent", TRACE)];

    fn write() {
        tracing::warn!(number = 7, "it failed");
        within(&REQUEST, || tracing::warn!(number = 8, "it failed"));
        within(&REQUEST[..1], || tracing::warn!("it failed"));
    }

    #[test]
    fn a_line_of_text_names_its_request() {
        let lines = Lines::default();
        let logs = tracing_subscriber::fmt().with_ansi(false).with_writer(lines.clone());
        let logs = logs.fmt_fields(TextFields::default()).finish();
        tracing::subscriber::with_default(logs, write);
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let ends: Vec<&str> =
            text.lines().map(|line| line.split_once("it failed").unwrap().1).collect();
        let of_request = r#"request_id=a-7 correlation="b \"c\"" traceparent="#;
        let told = format!(" number=8 {of_request}\"{TRACE}\"");
        assert_eq!(ends, [" number=7", &told, " request_id=a-7"]);
    }

    #[test]
    fn a_line_of_json_names_its_request() {
        let lines = Lines::default();
        let logs = tracing_subscriber::fmt().with_writer(lines.clone());
        let logs = logs.fmt_fields(JsonFields::new()).event_format(JsonLines::default()).finish();
        tracing::subscriber::with_default(logs, write);
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0]["request_id"].is_null());
        assert_eq!((&lines[1]["request_id"], &lines[1]["number"]), (&"a-7".into(), &8.into()));
        assert_eq!(lines[1]["correlation"], "b \"c\"");
        assert_eq!(lines[1]["traceparent"], TRACE);
        assert_eq!(lines[2]["request_id"], "a-7");
        assert!(lines[2]["correlation"].is_null());
    }
}
