//! Three times as many orders as can be taken, and amid them MongoDB hangs for a while.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use super::overload::{CLIENTS, TIMES, maximum};
use super::{Measurement, Scenario, Unit};
use crate::Result;
use crate::context::Context;
use crate::load::{Mix, Plan, Report, SLOT};
use crate::subject::Subject;

/// How long the load goes on once MongoDB is back, in seconds.
const AFTER: f64 = 20.0;
/// Of the maximum, before MongoDB hangs and when all is well again.
const SHARE: f64 = 0.8;
/// The deadline of a command, in milliseconds, and what the load generator itself may add to it.
const SLOWEST: f64 = 10_000.0 + 250.0;
/// From when MongoDB is back until orders are taken at the rate above, in seconds.
const RECOVERY: f64 = 5.0;

pub struct Outage;

#[async_trait(?Send)]
impl Scenario for Outage {
    fn name(&self) -> &'static str {
        "outage"
    }

    fn unit(&self) -> Unit {
        Unit::Share
    }

    fn bar(&self) -> Option<f64> {
        Some(SHARE)
    }

    fn bounds(&self) -> &'static [(&'static str, f64)] {
        &[("slowest_ms", SLOWEST), ("recovery_s", RECOVERY)]
    }

    async fn run(&self, context: &Context) -> Result<Measurement> {
        let maximum = maximum(context).await?;
        let subject = Subject::waybill(context, &[]).await?;
        let plan = subject.plan(Mix::Create, 256, context.seconds)?;
        let warm = subject.warm_up(context, &plan).await?;
        let (seconds, rate) = (2.0 * context.seconds + AFTER, TIMES * maximum);
        let plan = Plan { clients: CLIENTS, rate: Some(rate), seconds, ..plan };
        let outage = async {
            tokio::time::sleep(Duration::from_secs_f64(context.seconds)).await;
            context.freeze_mongod(context.seconds).await
        };
        let (report, (stopped, continued)) = tokio::join!(context.load(&plan), outage);
        let report = report?;
        subject.lag().catch_up().await?;
        subject.check(warm + report.created, report.broken + report.refused + report.shed).await?;
        let rates = Rates::of(&report);
        let goodput = rates.until(stopped);
        let recovery = rates.recovery(continued, SHARE * maximum).unwrap_or(f64::INFINITY);
        for missed in missed(report.slowest_ms, recovery) {
            println!("  {:<14} not met: {missed}", self.name());
        }
        let measurement = Measurement::new(goodput / maximum, BTreeMap::new())
            .with("accepted_per_s", goodput)
            .with("offered_per_s", rate)
            .with("away_s", continued - stopped)
            .with("slowest_ms", report.slowest_ms)
            // What did not recover is told as the time that there was for it.
            .with("recovery_s", recovery.min(AFTER))
            .with("shed", report.shed as f64)
            .with("broken", report.broken as f64)
            .with("unsent", report.unsent as f64);
        let measurement = subject.peaks(measurement)?;
        subject.end(context).await?;
        Ok(measurement)
    }
}

fn missed(slowest_ms: f64, recovery_s: f64) -> Vec<String> {
    let mut missed = vec![];
    if slowest_ms > SLOWEST {
        missed.push(format!("an answer took {slowest_ms:.0} ms"));
    }
    if recovery_s > RECOVERY {
        missed.push(format!("orders are taken as before after {recovery_s:.1} s"));
    }
    missed
}

/// Orders that were taken, by time.
struct Rates<'a> {
    /// When the first slot began, in seconds since 1970.
    started: f64,
    slots: &'a [u64],
}

impl<'a> Rates<'a> {
    fn of(report: &'a Report) -> Self {
        Self { started: report.started_unix_s, slots: &report.accepted_by_slot }
    }

    fn slot(&self, at: f64) -> usize {
        ((at - self.started) / SLOT).max(0.0) as usize
    }

    /// Per second, from the start until then.
    fn until(&self, end: f64) -> f64 {
        let slots = self.slot(end).min(self.slots.len());
        let accepted: u64 = self.slots[..slots].iter().sum();
        accepted as f64 / (slots.max(1) as f64 * SLOT)
    }

    /// Seconds from `since` to the first second in which so many were taken.
    fn recovery(&self, since: f64, rate: f64) -> Option<f64> {
        let second = (1.0 / SLOT).round() as usize;
        let first = self.slot(since).min(self.slots.len());
        let windows = self.slots[first..].windows(second);
        let found =
            windows.map(|window| window.iter().sum::<u64>() as f64).position(|sum| sum >= rate);
        found.map(|slots| slots as f64 * SLOT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_before_and_the_recovery_are_read_from_the_slots() {
        // 2 s at 100 a second, 1 s of nothing, 0.5 s at 50 a second, then 100 again.
        let slots = [vec![10; 20], vec![0; 10], vec![5; 5], vec![10; 15]].concat();
        let rates = Rates { started: 1_000.0, slots: &slots };
        assert!((rates.until(1_002.05) - 100.0).abs() < 1e-6);
        assert!((rates.until(1_003.05) - 200.0 / 3.0).abs() < 1e-6);
        let recovery = |rate| rates.recovery(1_003.05, rate);
        assert!(recovery(100.0).is_some_and(|seconds| (seconds - 0.5).abs() < 1e-6));
        assert!(recovery(80.0).is_some_and(|seconds| (seconds - 0.1).abs() < 1e-6));
        assert_eq!(recovery(120.0), None);
        assert_eq!((rates.until(900.0), rates.recovery(2_000.0, 1.0)), (0.0, None));
    }

    #[test]
    fn what_is_missed_is_told() {
        assert_eq!(missed(10_100.0, 4.9).len(), 0);
        assert_eq!(missed(11_000.0, f64::INFINITY).len(), 2);
    }
}
