//! Publishing what is rendered already, in chunks; beside it, for the record, one event a message.

use async_trait::async_trait;

use crate::Result;
use crate::context::Context;
use crate::proc::Cpu;
use crate::raw::{CHUNK, Published};
use crate::scenario::{Measurement, Scenario, Unit};

pub struct Publish;

#[async_trait(?Send)]
impl Scenario for Publish {
    fn name(&self) -> &'static str {
        "raw-publish"
    }

    fn unit(&self) -> Unit {
        Unit::PerSecond
    }

    async fn run(&self, context: &Context) -> Result<Measurement> {
        let stores = context.place("raw");
        let arguments = |events: u64, most: u64| {
            let mut arguments = vec!["raw".to_owned(), "publish".to_owned()];
            arguments.extend(stores.servers().arguments());
            arguments.extend([format!("--events={events}"), format!("--most={most}")]);
            arguments
        };
        let before = Cpu::of(&context.groups())?;
        let published: Published = context.ask(&arguments(context.backlog, CHUNK as u64)).await?;
        let mut cpu = Cpu::of(&context.groups())?.per_command(&before, published.events);
        let own = published.cpu_seconds * 1e6 / published.events.max(1) as f64;
        cpu.insert("loop".to_owned(), own);
        let alone: Published = context.ask(&arguments(context.backlog / 4, 1)).await?;
        let (taken, _) = stores.take_all().await?;
        let events = published.events + alone.events;
        if taken != events {
            return Err(format!("{events} events were published, and {taken} are there").into());
        }
        stores.clear(&[]).await?;
        context.quiet().await?;
        let measurement = Measurement::new(published.per_second, cpu);
        Ok(measurement.with("one_by_one_per_s", alone.per_second))
    }
}
