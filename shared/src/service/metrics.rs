//! What a process counts and measures of itself, in the text format of Prometheus.
//!
//! A metric is a static, and there from the start of the service that tells of it: see `tell_of`. All
//! services of one process share them. Counting takes some ten nanoseconds.
//! Names: <https://prometheus.io/docs/practices/naming/>.

use std::sync::OnceLock;
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Encoder as _, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts,
    TextEncoder,
};

/// The media type of `text`.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Bounds of times, in seconds: from half a millisecond to ten seconds.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Bounds of numbers of things that are dealt with together.
const SIZES: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

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

/// A number that grows.
pub struct Counter {
    about: About,
    /// The values of the label that are there from the start.
    values: &'static [&'static str],
    metric: OnceLock<Option<IntCounterVec>>,
}

impl Counter {
    /// A counter without labels.
    pub const fn new(name: &'static str, help: &'static str) -> Self {
        Self { about: About { name, help, labels: &[] }, values: &[], metric: OnceLock::new() }
    }

    /// A counter for each value of a label. There must be few, whatever clients send.
    pub const fn by(
        name: &'static str,
        help: &'static str,
        label: &'static [&'static str; 1],
        values: &'static [&'static str],
    ) -> Self {
        Self { about: About { name, help, labels: label }, values, metric: OnceLock::new() }
    }

    /// A counter for each pair of values of two labels. There must be few.
    pub const fn by_two(
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str; 2],
    ) -> Self {
        Self { about: About { name, help, labels }, values: &[], metric: OnceLock::new() }
    }

    fn metric(&self) -> Option<&IntCounterVec> {
        let make = || self.about.added(IntCounterVec::new(self.about.opts(), self.about.labels));
        self.metric.get_or_init(make).as_ref()
    }

    /// Adds to a counter without labels.
    pub fn add(&self, number: usize) {
        if let Some(metric) = self.metric() {
            metric.with_label_values::<&str>(&[]).inc_by(number as u64);
        }
    }

    /// Adds to the counter of this value of the label.
    pub fn add_to(&self, value: &str, number: usize) {
        self.add_at(&[value], number);
    }

    /// Adds to the counter of these values, one for each label.
    pub fn add_to_pair(&self, values: [&str; 2], number: usize) {
        self.add_at(&values, number);
    }

    fn add_at(&self, values: &[&str], number: usize) {
        if let Some(metric) = self.metric()
            && let Ok(counter) = metric.get_metric_with_label_values(values)
        {
            counter.inc_by(number as u64);
        }
    }
}

/// A number that goes up and down.
pub struct Gauge {
    about: About,
    values: &'static [&'static str],
    metric: OnceLock<Option<GaugeVec>>,
}

impl Gauge {
    /// A gauge that is 0.
    pub const fn new(name: &'static str, help: &'static str) -> Self {
        Self { about: About { name, help, labels: &[] }, values: &[], metric: OnceLock::new() }
    }

    /// A gauge for each value of a label, of which those named here are there from the start. There
    /// must be few.
    pub const fn by(
        name: &'static str,
        help: &'static str,
        label: &'static [&'static str; 1],
        values: &'static [&'static str],
    ) -> Self {
        Self { about: About { name, help, labels: label }, values, metric: OnceLock::new() }
    }

    fn at(&self, values: &[&str]) -> Option<prometheus::Gauge> {
        let make = || self.about.added(GaugeVec::new(self.about.opts(), self.about.labels));
        let metric = self.metric.get_or_init(make).as_ref()?;
        metric.get_metric_with_label_values(values).ok()
    }

    /// Sets it.
    pub fn set(&self, number: f64) {
        self.at(&[]).inspect(|metric| metric.set(number));
    }

    /// Sets the one of this value of the label.
    pub fn set_of(&self, value: &str, number: f64) {
        self.at(&[value]).inspect(|metric| metric.set(number));
    }

    /// Adds to the one of this value of the label.
    pub fn add_to(&self, value: &str, number: f64) {
        self.at(&[value]).inspect(|metric| metric.add(number));
    }

    /// Sets it to 1 while something holds, else to 0.
    pub fn set_to(&self, holds: bool) {
        self.set(if holds { 1.0 } else { 0.0 });
    }

    /// Sets it to a position of the log, or a number of commits.
    pub fn set_position(&self, position: i64) {
        self.set(position as f64);
    }

    /// Adds one, until the guard is dropped.
    pub fn one_more(&'static self) -> OneMore {
        self.at(&[]).inspect(|metric| metric.inc());
        OneMore(self)
    }
}

/// One of the things that a gauge counts.
pub struct OneMore(&'static Gauge);

impl Drop for OneMore {
    fn drop(&mut self) {
        self.0.at(&[]).inspect(|metric| metric.dec());
    }
}

/// How often a number was within which bounds.
pub struct Histogram {
    about: About,
    bounds: &'static [f64],
    metric: OnceLock<Option<HistogramVec>>,
}

impl Histogram {
    /// Of times, told in seconds.
    pub const fn of_seconds(
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Self {
        Self { about: About { name, help, labels }, bounds: &SECONDS, metric: OnceLock::new() }
    }

    /// Of how many things are dealt with together.
    pub const fn of_sizes(name: &'static str, help: &'static str) -> Self {
        Self { about: About { name, help, labels: &[] }, bounds: &SIZES, metric: OnceLock::new() }
    }

    fn metric(&self) -> Option<&HistogramVec> {
        let make = || {
            let opts = HistogramOpts::from(self.about.opts()).buckets(self.bounds.to_vec());
            self.about.added(HistogramVec::new(opts, self.about.labels))
        };
        self.metric.get_or_init(make).as_ref()
    }

    /// Notes a time. There must be few values of each label, whatever clients send.
    pub fn took(&self, time: Duration, labels: &[&str]) {
        if let Some(metric) = self.metric() {
            metric.with_label_values(labels).observe(time.as_secs_f64());
        }
    }

    /// Notes a number.
    pub fn had(&self, number: usize) {
        if let Some(metric) = self.metric() {
            metric.with_label_values::<&str>(&[]).observe(number as f64);
        }
    }
}

/// A metric of a service, however it counts.
pub trait Metric: Sync {
    /// Makes it part of what is told, before it is used for the first time.
    fn tell(&self);
}

impl Metric for Counter {
    fn tell(&self) {
        match self.about.labels {
            [] => self.add(0),
            _ => self.values.iter().for_each(|value| self.add_to(value, 0)),
        }
    }
}

impl Metric for Gauge {
    fn tell(&self) {
        match self.about.labels {
            [] => drop(self.at(&[])),
            _ => self.values.iter().for_each(|value| drop(self.at(&[value]))),
        }
    }
}

impl Metric for Histogram {
    fn tell(&self) {
        if let Some(metric) = self.metric().filter(|_| self.about.labels.is_empty()) {
            let _made = metric.with_label_values::<&str>(&[]);
        }
    }
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
