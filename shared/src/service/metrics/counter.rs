//! What grows.

use std::sync::OnceLock;

use prometheus::IntCounterVec;

use super::{About, Metric};

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

impl Metric for Counter {
    fn tell(&self) {
        match self.about.labels {
            [] => self.add(0),
            _ => self.values.iter().for_each(|value| self.add_to(value, 0)),
        }
    }
}
