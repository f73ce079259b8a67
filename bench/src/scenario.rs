//! What is measured of Waybill. Each scenario names the yardstick that it is compared with.

mod create;
mod idle;
pub mod knee;
mod live;
mod outage;
pub mod overload;
mod projector;
pub mod reads;
mod rebuild;
pub mod relay;
mod scrape;
mod several;
mod single;
mod turns;
pub mod visible;

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::context::Context;

/// One thing to measure, of Waybill or of what stands beside it.
#[async_trait(?Send)]
pub trait Scenario {
    fn name(&self) -> &'static str;

    fn unit(&self) -> Unit;

    /// The name of what it is compared with.
    fn yardstick(&self) -> Option<&'static str> {
        None
    }

    /// The least ratio to the yardstick that the project asks of itself.
    fn bar(&self) -> Option<f64> {
        None
    }

    /// The greatest value that the project asks of itself, on any machine.
    fn ceiling(&self) -> Option<f64> {
        None
    }

    /// The greatest values of what else it sees that the project asks of itself, by their names.
    fn bounds(&self) -> &'static [(&'static str, f64)] {
        &[]
    }

    /// Measures once, on servers that nothing else uses meanwhile, and leaves nothing on them.
    async fn run(&self, context: &Context) -> Result<Measurement>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Orders, commands, requests or events per second.
    PerSecond,
    Milliseconds,
    /// Of one core.
    Percent,
    /// A ratio by itself.
    Share,
}

impl Unit {
    /// How good `value` is, measured by `yardstick`: 1 is as good, more is better.
    pub fn ratio(self, value: f64, yardstick: Option<f64>) -> Option<f64> {
        let ratio = match (self, yardstick) {
            (Self::PerSecond, Some(yardstick)) => value / yardstick,
            (Self::Milliseconds, Some(yardstick)) => yardstick / value,
            (Self::Share, _) => value,
            _ => return None,
        };
        ratio.is_finite().then_some(ratio)
    }

    pub fn symbol(self) -> &'static str {
        match self {
            Self::PerSecond => "/s",
            Self::Milliseconds => "ms",
            Self::Percent => "%",
            Self::Share => "",
        }
    }
}

/// What one run of a scenario found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    pub value: f64,
    /// CPU time by process, in microseconds per command, request or event.
    pub cpu: BTreeMap<String, f64>,
    /// What else is worth knowing; each name ends with its unit.
    pub more: BTreeMap<String, f64>,
}

impl Measurement {
    pub fn new(value: f64, cpu: BTreeMap<String, f64>) -> Self {
        Self { value, cpu, more: BTreeMap::new() }
    }

    pub fn with(mut self, name: &str, value: f64) -> Self {
        self.more.insert(name.to_owned(), value);
        self
    }
}

/// All of them, in the order in which they run.
pub fn all() -> Vec<Box<dyn Scenario>> {
    vec![
        Box::new(create::CREATE_256),
        Box::new(create::MIXED_256),
        Box::new(create::CREATE_64),
        Box::new(single::Single),
        Box::new(visible::Visible),
        Box::new(relay::Relay),
        Box::new(projector::Projector),
        Box::new(rebuild::Rebuild),
        Box::new(reads::GET),
        Box::new(reads::LIST),
        Box::new(live::LIVE),
        Box::new(live::CROWD),
        Box::new(live::Dashboards),
        Box::new(idle::Idle),
        Box::new(scrape::Scrape),
        Box::new(several::Several),
        Box::new(knee::Knee),
        Box::new(overload::Overload),
        Box::new(outage::Outage),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_grows_with_what_is_better() {
        assert_eq!(Unit::PerSecond.ratio(8.0, Some(10.0)), Some(0.8));
        assert_eq!(Unit::Milliseconds.ratio(2.0, Some(1.0)), Some(0.5));
        assert_eq!(Unit::Share.ratio(0.9, None), Some(0.9));
        assert_eq!(Unit::Percent.ratio(1.0, Some(1.0)), None);
        assert_eq!(Unit::PerSecond.ratio(8.0, None), None);
        assert_eq!(Unit::PerSecond.ratio(8.0, Some(0.0)), None);
    }

    #[test]
    fn every_yardstick_that_is_named_is_there() {
        let yardsticks = crate::yardstick::all();
        for scenario in all() {
            let named = scenario.yardstick();
            let there = |name| yardsticks.iter().any(|yardstick| yardstick.name() == name);
            assert!(named.is_none_or(there), "{} is compared with {named:?}", scenario.name());
        }
    }
}
