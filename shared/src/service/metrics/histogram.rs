//! What is distributed over a range.

use std::sync::OnceLock;
use std::time::Duration;

use prometheus::{HistogramOpts, HistogramVec};

use super::{About, Metric};

/// Bounds of times, in seconds: from half a millisecond to ten seconds.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Bounds of numbers of things that are dealt with together.
const SIZES: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

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

impl Metric for Histogram {
    fn tell(&self) {
        if let Some(metric) = self.metric().filter(|_| self.about.labels.is_empty()) {
            let _made = metric.with_label_values::<&str>(&[]);
        }
    }
}
