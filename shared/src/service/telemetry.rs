//! What the services write about themselves: to standard error, filtered by `WAYBILL_LOG`, as text or,
//! with `WAYBILL_LOG_FORMAT=json`, as one JSON object a line. What is written of a request has its
//! correlation id and its `traceparent`.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// `text` or `json`.
pub(crate) const FORMAT: &str = "WAYBILL_LOG_FORMAT";
/// The value for JSON.
pub(crate) const JSON: &str = "json";
/// The value for text, and the default.
pub(crate) const TEXT: &str = "text";

/// Starts logging; `filter` as in `info,command_api=debug`
/// (<https://docs.rs/tracing-subscriber/latest/tracing_subscriber/filter/struct.EnvFilter.html>).
pub fn start(filter: &str) {
    let filter = EnvFilter::new(filter);
    let color = std::io::stderr().is_terminal();
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(color);
    let logs = logs.with_writer(std::io::stderr);
    let started = match std::env::var(FORMAT) {
        Ok(format) if format == JSON => logs.json().flatten_event(true).try_init(),
        _ => logs.try_init(),
    };
    // Fails only when a subscriber is there already, as in tests; that one serves too.
    drop(started);
}
