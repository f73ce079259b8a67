//! What a process counts and measures of itself, in the text format of Prometheus.
//!
//! A metric is a static, and there from the start of the service that tells of it: see `tell_of`. All
//! services of one process share them. Counting takes some ten nanoseconds.
//! Names: <https://prometheus.io/docs/practices/naming/>.

mod counter;
mod gauge;
mod histogram;

use std::sync::OnceLock;

use prometheus::core::Collector;
use prometheus::{Encoder as _, IntGaugeVec, Opts, TextEncoder};

pub use self::counter::Counter;
pub use self::gauge::{Gauge, OneMore};
pub use self::histogram::Histogram;

/// The media type of `text`.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a metric is called, what it says, and by which labels it is told apart.
struct About {
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
}

impl About {
    fn opts(&self) -> Opts {
        Opts::new(self.name, self.help)
    }

    /// Adds it to what the process tells. A metric that can't be made is told of in the log, and counts
    /// nothing.
    fn added<T: Collector + Clone + 'static>(&self, made: prometheus::Result<T>) -> Option<T> {
        let added = made.and_then(|metric| {
            prometheus::register(Box::new(metric.clone()))?;
            Ok(metric)
        });
        added.inspect_err(|error| tracing::error!(%error, self.name, "a metric is missing")).ok()
    }
}

/// A metric of a service, however it counts.
pub trait Metric: Sync {
    /// Makes it part of what is told, before it is used for the first time.
    fn tell(&self);
}

static BUILD_INFO: OnceLock<Option<IntGaugeVec>> = OnceLock::new();

/// Makes the metrics of a service part of what is told, and which build it is.
pub fn tell_of(metrics: &[&dyn Metric]) {
    metrics.iter().for_each(|metric| metric.tell());
    let about = About {
        name: "waybill_build_info",
        help: "1, with the version of the build.",
        labels: &["version"],
    };
    let make = || about.added(IntGaugeVec::new(about.opts(), about.labels));
    if let Some(info) = BUILD_INFO.get_or_init(make) {
        info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
    }
}

/// All that this process tells, in the order of the names; with it, on Linux, its CPU time, memory,
/// threads and open files. Metrics that can't be written are left out.
pub fn text() -> Vec<u8> {
    let mut text = vec![];
    if let Err(error) = TextEncoder::new().encode(&prometheus::gather(), &mut text) {
        tracing::error!(%error, "writing metrics");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    static WORK: Counter =
        Counter::by("test_work_total", "Work.", &["outcome"], &["done", "failed"]);
    static OPEN: Gauge = Gauge::new("test_open", "Open things.");
    static TIME: Histogram = Histogram::of_seconds("test_time_seconds", "Time.", &["kind"]);

    fn lines(of: &str) -> Vec<String> {
        let text = String::from_utf8(text()).unwrap();
        text.lines().filter(|line| line.starts_with(of)).map(str::to_owned).collect()
    }

    #[test]
    fn a_metric_is_told_from_the_start_and_counts() {
        tell_of(&[&WORK, &OPEN, &TIME]);
        let [done, failed] =
            ["done", "failed"].map(|it| format!("test_work_total{{outcome=\"{it}\"}}"));
        assert_eq!(lines("test_work_total"), [format!("{done} 0"), format!("{failed} 0")]);
        WORK.add_to("done", 3);
        assert_eq!(lines(&done), [format!("{done} 3")]);
        let open = OPEN.one_more();
        assert_eq!(lines("test_open"), ["test_open 1"]);
        drop(open);
        assert_eq!(lines("test_open"), ["test_open 0"]);
        TIME.took(Duration::from_millis(3), &["a"]);
        assert_eq!(lines("test_time_seconds_count"), ["test_time_seconds_count{kind=\"a\"} 1"]);
        assert_eq!(lines("waybill_build_info").len(), 1);
        assert_eq!(lines("process_resident_memory_bytes").len(), 1);
    }
}
