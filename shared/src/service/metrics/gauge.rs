//! What goes up and down.

use std::sync::OnceLock;

use prometheus::GaugeVec;

use super::{About, Metric};

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

impl Metric for Gauge {
    fn tell(&self) {
        match self.about.labels {
            [] => drop(self.at(&[])),
            _ => self.values.iter().for_each(|value| drop(self.at(&[value]))),
        }
    }
}
