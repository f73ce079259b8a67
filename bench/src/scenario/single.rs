//! One client alone: how long a new order takes.

use async_trait::async_trait;

use super::{Measurement, Scenario, Unit};
use crate::Result;
use crate::context::Context;
use crate::load::Mix;
use crate::subject::Subject;

pub struct Single;

#[async_trait(?Send)]
impl Scenario for Single {
    fn name(&self) -> &'static str {
        "create-1"
    }

    fn unit(&self) -> Unit {
        Unit::Milliseconds
    }

    fn yardstick(&self) -> Option<&'static str> {
        Some("raw-insert")
    }

    fn bar(&self) -> Option<f64> {
        Some(1.0 / 1.5)
    }

    async fn run(&self, context: &Context) -> Result<Measurement> {
        let subject = Subject::waybill(context, &[]).await?;
        let plan = subject.plan(Mix::Create, 1, context.seconds)?;
        let warm = subject.warm_up(context, &plan).await?;
        let driven = subject.drive(context, &plan).await?;
        subject.check(warm + driven.report.created, driven.report.broken).await?;
        let measurement = driven.measurement();
        let measurement = Measurement { value: driven.report.p50_ms, ..measurement };
        subject.end(context).await?;
        Ok(measurement)
    }
}
