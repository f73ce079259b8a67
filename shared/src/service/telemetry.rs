//! What the services write about themselves: to standard error, filtered by `WAYBILL_LOG`.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Starts logging; `filter` as in `info,command_api=debug`
/// (<https://docs.rs/tracing-subscriber/latest/tracing_subscriber/filter/struct.EnvFilter.html>).
pub fn start(filter: &str) {
    let filter = EnvFilter::new(filter);
    let color = std::io::stderr().is_terminal();
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(color);
    let logs = logs.with_writer(std::io::stderr);
    // Fails only when a subscriber is there already, as in tests; that one serves too.
    drop(logs.try_init());
}
