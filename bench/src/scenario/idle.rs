//! What it costs to have nothing to do.

use std::time::Duration;

use async_trait::async_trait;

use super::{Measurement, Scenario, Unit};
use crate::Result;
use crate::context::Context;
use crate::proc::Cpu;
use crate::subject::Subject;

/// From the start of the services on, until they have settled.
const SETTLE: Duration = Duration::from_secs(3);

pub struct Idle;

#[async_trait(?Send)]
impl Scenario for Idle {
    fn name(&self) -> &'static str {
        "idle"
    }

    fn unit(&self) -> Unit {
        Unit::Percent
    }

    /// Twice as long as a load: there is little to see.
    async fn run(&self, context: &Context) -> Result<Measurement> {
        let subject = Subject::waybill(context, &[]).await?;
        tokio::time::sleep(SETTLE).await;
        let time = Duration::from_secs_f64(2.0 * context.seconds);
        let (all, own) = (subject.groups(context), subject.own_groups());
        let (before, own_before) = (Cpu::of(&all)?, Cpu::of(&own)?);
        tokio::time::sleep(time).await;
        let (after, own_after) = (Cpu::of(&all)?, Cpu::of(&own)?);
        let percent = |used: Duration| 100.0 * used.as_secs_f64() / time.as_secs_f64();
        let services = own_after.total().saturating_sub(own_before.total());
        let mut measurement = Measurement::new(percent(services), Default::default());
        for (name, used) in after.since(&before) {
            measurement = measurement.with(&format!("{name}_percent"), percent(used));
        }
        subject.end(context).await?;
        Ok(measurement)
    }
}
