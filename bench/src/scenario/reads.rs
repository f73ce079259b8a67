//! Queries: one order by its id, and the newest 50.

use async_trait::async_trait;

use super::{Measurement, Scenario, Unit};
use crate::Result;
use crate::context::Context;
use crate::load::{Mix, Plan};
use crate::proc::Cpu;
use crate::subject::Subject;

/// Orders that there are to read.
pub const ORDERS: u64 = 10_000;
/// Clients that read.
pub const CLIENTS: usize = 64;
/// Decides the ids.
pub const SEED: u64 = 11;

pub struct Reads {
    name: &'static str,
    mix: Mix,
    yardstick: &'static str,
    bar: f64,
}

pub const GET: Reads = Reads { name: "get", mix: Mix::Get, yardstick: "raw-get", bar: 0.9 };
/// At most 1.5 times as long.
pub const LIST: Reads =
    Reads { name: "list-50", mix: Mix::List, yardstick: "raw-list-50", bar: 1.0 / 1.5 };

#[async_trait(?Send)]
impl Scenario for Reads {
    fn name(&self) -> &'static str {
        self.name
    }

    fn unit(&self) -> Unit {
        Unit::PerSecond
    }

    fn yardstick(&self) -> Option<&'static str> {
        Some(self.yardstick)
    }

    fn bar(&self) -> Option<f64> {
        Some(self.bar)
    }

    async fn run(&self, context: &Context) -> Result<Measurement> {
        let subject = Subject::waybill(context, &[]).await?;
        let known = ORDERS.min(context.backlog);
        // One client too many would leave ids without an order.
        let plan = subject.plan(Mix::Create, CLIENTS, 60.0)?;
        let plan = Plan { count: Some(known), seed: Some(SEED), ..plan };
        let filled = context.load(&plan).await?;
        subject.lag().catch_up().await?;
        subject.check(filled.created, filled.broken).await?;
        context.quiet().await?;
        let plan = subject.plan(self.mix, CLIENTS, context.seconds)?;
        let plan = Plan { known, seed: Some(SEED), ..plan };
        let measurement = measure(context, &subject.groups(context), &plan).await?;
        subject.end(context).await?;
        Ok(measurement)
    }
}

/// Requests per second of a load of queries.
pub async fn measure(
    context: &Context,
    groups: &[(&'static str, u32)],
    plan: &Plan,
) -> Result<Measurement> {
    let warm = Plan { seconds: plan.seconds.min(0.5), ..plan.clone() };
    context.load(&warm).await?;
    let before = Cpu::of(groups)?;
    let report = context.load(plan).await?;
    let mut cpu = Cpu::of(groups)?.per_command(&before, report.accepted);
    if report.accepted == 0 || report.refused > 0 || report.broken > 0 {
        return Err(format!("not every query was answered: {report:?}").into());
    }
    cpu.insert("load".to_owned(), report.cpu_seconds * 1e6 / report.accepted as f64);
    let measurement = Measurement::new(report.rate(), cpu);
    Ok(measurement.with("p50_ms", report.p50_ms).with("p99_ms", report.p99_ms))
}
