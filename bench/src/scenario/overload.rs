//! Three times as many orders as can be taken, sent whether or not answers come.

use async_trait::async_trait;

use super::{Measurement, Scenario, Unit};
use crate::Result;
use crate::context::Context;
use crate::load::{Mix, Plan};
use crate::subject::Subject;

/// Enough connections that a queue fills up in Waybill, not before it; those of each of the two addresses that
/// they come from have room for their commands.
pub const CLIENTS: usize = 6_000;
pub const TIMES: f64 = 3.0;

pub struct Overload;

#[async_trait(?Send)]
impl Scenario for Overload {
    fn name(&self) -> &'static str {
        "overload"
    }

    fn unit(&self) -> Unit {
        Unit::Share
    }

    fn bar(&self) -> Option<f64> {
        Some(0.8)
    }

    async fn run(&self, context: &Context) -> Result<Measurement> {
        let maximum = maximum(context).await?;
        let subject = Subject::waybill(context, &[]).await?;
        let plan = subject.plan(Mix::Create, 256, context.seconds)?;
        let warm = subject.warm_up(context, &plan).await?;
        let plan = Plan { clients: CLIENTS, rate: Some(TIMES * maximum), ..plan };
        let driven = subject.drive(context, &plan).await?;
        let report = &driven.report;
        subject.check(warm + report.created, report.broken + report.refused + report.shed).await?;
        let measurement = driven.measurement();
        // Answers come in for a while after the last request: they count, and so does that time.
        let goodput = report.accepted as f64 / report.seconds.max(context.seconds);
        let measurement = Measurement { value: goodput / maximum, ..measurement }
            .with("accepted_per_s", goodput)
            .with("offered_per_s", TIMES * maximum)
            .with("shed", report.shed as f64)
            .with("unsent", report.unsent as f64)
            .with("sent_p50_ms", report.sent_p50_ms)
            .with("sent_p99_ms", report.sent_p99_ms)
            .with("sent_max_ms", report.sent_max_ms);
        let measurement = subject.peaks(measurement)?;
        subject.end(context).await?;
        Ok(measurement)
    }
}

/// Orders per second that Waybill takes from 256 clients: of this run, or measured now.
pub async fn maximum(context: &Context) -> Result<f64> {
    if let Some(known) = context.maximum.get() {
        return Ok(known);
    }
    let subject = Subject::waybill(context, &[]).await?;
    let plan = subject.plan(Mix::Create, 256, context.seconds / 2.0)?;
    subject.warm_up(context, &plan).await?;
    let rate = subject.drive(context, &plan).await?.report.rate();
    context.maximum.set(Some(rate));
    subject.end(context).await?;
    Ok(rate)
}
