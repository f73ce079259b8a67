//! The raw worker over a backlog.

use std::time::Instant;

use async_trait::async_trait;

use crate::Result;
use crate::context::Context;
use crate::proc::Cpu;
use crate::scenario::relay::until;
use crate::scenario::{Measurement, Scenario, Unit};

pub struct Apply;

#[async_trait(?Send)]
impl Scenario for Apply {
    fn name(&self) -> &'static str {
        "raw-apply"
    }

    fn unit(&self) -> Unit {
        Unit::PerSecond
    }

    async fn run(&self, context: &Context) -> Result<Measurement> {
        let stores = context.place("raw");
        let events = context.backlog;
        stores.fill_queue(events).await?;
        context.quiet().await?;
        let mut arguments = vec!["raw".to_owned(), "worker".to_owned()];
        arguments.extend(stores.servers().arguments());
        let (started, mut groups) = (Instant::now(), context.groups());
        let before = Cpu::of(&groups)?;
        let worker = context.work("worker", &arguments)?;
        let last = i64::try_from(events)?;
        until(|at| at >= last, || async { Ok(stores.raw_views().await?.0) }).await?;
        let took = started.elapsed();
        groups.push((worker.name(), worker.id()));
        let cpu = Cpu::of(&groups)?.per_command(&before, events);
        let (_, listed, counted) = stores.raw_views().await?;
        if (listed, counted) != (events, events) {
            return Err(format!("{events} events, {listed} listed, {counted} counted").into());
        }
        worker.kill();
        stores.clear(&[]).await?;
        context.quiet().await?;
        Ok(Measurement::new(events as f64 / took.as_secs_f64(), cpu))
    }
}
