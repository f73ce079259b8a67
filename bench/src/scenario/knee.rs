//! How long an answer takes, by how much is asked for: up to which rate it stays short.

use async_trait::async_trait;

use super::overload::{CLIENTS, maximum};
use super::{Measurement, Scenario, Unit};
use crate::Result;
use crate::context::Context;
use crate::load::{Mix, Plan};
use crate::subject::Subject;

/// Of what 256 clients get who wait for their answers, in percent.
pub const LOADS: [u32; 8] = [25, 50, 70, 80, 90, 100, 110, 125];
/// An answer is late from here on, in milliseconds from when its request was due.
const LATE: f64 = 100.0;
/// The share of the orders that are due that need not be taken: not sent, or answered otherwise or not at all.
const LOST: f64 = 0.01;

/// The greatest rate of new orders at which nearly all are taken and 99 % of the answers are not late. Each rate
/// is kept for the time of a load, whether or not answers come.
pub struct Knee;

/// The names of what is seen at a load: rate asked for, rate taken, p50, p99.
pub fn names(load: u32) -> [String; 4] {
    ["offered_per_s", "accepted_per_s", "p50_ms", "p99_ms"].map(|name| format!("at_{load}_{name}"))
}

#[async_trait(?Send)]
impl Scenario for Knee {
    fn name(&self) -> &'static str {
        "knee"
    }

    fn unit(&self) -> Unit {
        Unit::PerSecond
    }

    async fn run(&self, context: &Context) -> Result<Measurement> {
        let maximum = maximum(context).await?;
        let mut measurement = Measurement::default();
        for load in LOADS {
            let offered = maximum * f64::from(load) / 100.0;
            let subject = Subject::waybill(context, &[]).await?;
            let plan = subject.plan(Mix::Create, 256, context.seconds)?;
            let warm = subject.warm_up(context, &plan).await?;
            let plan = Plan { clients: CLIENTS, rate: Some(offered), ..plan };
            let driven = subject.drive(context, &plan).await?;
            let report = &driven.report;
            let unsure = report.broken + report.refused + report.shed;
            subject.check(warm + report.created, unsure).await?;
            // Answers come in for a while after the last request: they count, and so does that time.
            let accepted = report.accepted as f64 / report.seconds.max(context.seconds);
            let found = [offered, accepted, report.p50_ms, report.p99_ms];
            for (name, value) in names(load).iter().zip(found) {
                measurement = measurement.with(name, value);
            }
            let lost = (unsure + report.unsent) as f64;
            if lost <= LOST * (lost + report.accepted as f64) && report.p99_ms <= LATE {
                measurement.value = measurement.value.max(accepted);
            }
            subject.end(context).await?;
        }
        Ok(measurement)
    }
}
