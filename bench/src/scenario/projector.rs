//! The projector with a backlog: it is frozen while orders are taken and published, and goes on.

use std::time::Instant;

use async_trait::async_trait;

use super::relay::until;
use super::{Measurement, Scenario, Unit};
use crate::Result;
use crate::context::Context;
use crate::load::{Mix, Plan};
use crate::proc::Cpu;
use crate::subject::Subject;

/// A frozen process sends no heartbeats: the broker is asked to do with few, in seconds.
const HEARTBEAT: &str = "heartbeat=600";
/// Longest filling of the backlog, in seconds.
const FILL_SECONDS: f64 = 300.0;

pub struct Projector;

#[async_trait(?Send)]
impl Scenario for Projector {
    fn name(&self) -> &'static str {
        "projector"
    }

    fn unit(&self) -> Unit {
        Unit::PerSecond
    }

    fn yardstick(&self) -> Option<&'static str> {
        Some("raw-apply")
    }

    fn bar(&self) -> Option<f64> {
        Some(0.8)
    }

    async fn run(&self, context: &Context) -> Result<Measurement> {
        let url = format!("{}?{HEARTBEAT}", context.place("bench").servers().rabbitmq);
        let patient = [("WAYBILL_RABBITMQ_URL", url.as_str()), ("WAYBILL_MAX_LAG", "off")];
        let subject = Subject::waybill(context, &patient).await?;
        let projector = subject.projector()?;
        projector.process.signal("STOP");
        let plan = subject.plan(Mix::Create, 256, FILL_SECONDS)?;
        let filled = context.load(&Plan { count: Some(context.backlog), ..plan }).await;
        let head = subject.stores.head().await?;
        until(|at| at >= head, || subject.stores.relayed()).await?;
        let filled = filled?;
        context.quiet().await?;
        let groups = subject.groups(context);
        let (mut lag, before) = (subject.lag(), Cpu::of(&groups)?);
        let started = Instant::now();
        projector.process.signal("CONT");
        // It ends the connection of before first: that has been silent for longer than it may be.
        if lag.look().await.is_err() {
            lag.look().await?;
        }
        lag.catch_up().await?;
        let took = started.elapsed();
        let cpu = Cpu::of(&groups)?.per_command(&before, filled.accepted);
        subject.check(filled.created, filled.broken).await?;
        let rate = filled.accepted as f64 / took.as_secs_f64();
        let measurement = subject.peaks(Measurement::new(rate, cpu))?;
        subject.end(context).await?;
        Ok(measurement)
    }
}
