//! What query-api counts and measures: docs/reference/metrics.md.

use shared::service::metrics::{Counter, Gauge, Histogram, Metric, tell_of};

pub static TOKENS: Gauge = Gauge::new(
    "waybill_tokens_waiting",
    "Requests that wait until the views contain what their consistency token names.",
);
pub static LIVE: Gauge = Gauge::new(
    "waybill_live_streams",
    "Open streams of GET /live, and those that were ended and whose connections are open still.",
);
pub static LIVE_CUT: Counter = Counter::new(
    "waybill_live_streams_cut_total",
    "Streams of GET /live that were ended: the client was gone or too slow, or too much waited for all.",
);
pub static LIVE_DELAY: Histogram = Histogram::of_seconds(
    "waybill_live_delay_seconds",
    "Time from a commit to its event on GET /live: of the oldest change of each round that tells some.",
    &[],
);

pub static STALENESS: Gauge = Gauge::new(
    "waybill_views_staleness_seconds",
    "The views hold everything that was recorded up to so long ago, as far as projectors have told.",
);

/// Makes them part of what the process tells.
pub fn tell() {
    let all: [&dyn Metric; 5] = [&TOKENS, &LIVE, &LIVE_CUT, &LIVE_DELAY, &STALENESS];
    tell_of(&all);
}
