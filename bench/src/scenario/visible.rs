//! From a POST to the GET that shows the order, while half of what is possible goes on beside.

use async_trait::async_trait;

use super::{Measurement, Scenario, Unit};
use crate::Result;
use crate::context::Context;
use crate::load::{Mix, Plan};
use crate::proc::Cpu;
use crate::scenario::overload::maximum;
use crate::subject::Subject;

/// Connections of the load beside, and clients that look.
const CLIENTS: usize = 256;
const PROBES: usize = 4;

pub struct Visible;

#[async_trait(?Send)]
impl Scenario for Visible {
    fn name(&self) -> &'static str {
        "visible"
    }

    fn unit(&self) -> Unit {
        Unit::Milliseconds
    }

    fn yardstick(&self) -> Option<&'static str> {
        Some("raw-visible")
    }

    async fn run(&self, context: &Context) -> Result<Measurement> {
        let rate = maximum(context).await? / 2.0;
        let subject = Subject::waybill(context, &[]).await?;
        measure(context, subject, rate).await
    }
}

/// The median of the probes in milliseconds, while orders come at this rate.
pub async fn measure(context: &Context, subject: Subject, rate: f64) -> Result<Measurement> {
    let beside = subject.plan(Mix::Create, CLIENTS, context.seconds)?;
    let warm = subject.warm_up(context, &beside).await?;
    let beside = Plan { rate: Some(rate), ..beside };
    // Begins and ends inside the other load.
    let seconds = (context.seconds - 1.0).max(context.seconds / 2.0);
    let probes = subject.plan(Mix::Visible, PROBES, seconds)?;
    let groups = subject.groups(context);
    let before = Cpu::of(&groups)?;
    let (beside, seen) = tokio::join!(context.load(&beside), context.load(&probes));
    let (beside, seen) = (beside?, seen?);
    subject.lag().catch_up().await?;
    let cpu = Cpu::of(&groups)?.per_command(&before, beside.accepted + seen.accepted);
    subject.check(warm + beside.created + seen.created, beside.broken).await?;
    let measurement = Measurement::new(seen.p50_ms, cpu)
        .with("p99_ms", seen.p99_ms)
        .with("max_ms", seen.max_ms)
        .with("probes", seen.accepted as f64)
        .with("beside_per_s", beside.rate())
        .with("beside_p99_ms", beside.p99_ms)
        .with("beside_not_accepted", (beside.shed + beside.refused + beside.unsent) as f64);
    subject.end(context).await?;
    Ok(measurement)
}
