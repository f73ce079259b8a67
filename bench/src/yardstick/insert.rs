//! One journaled insert after another.

use async_trait::async_trait;

use crate::Result;
use crate::context::Context;
use crate::proc::Cpu;
use crate::raw::Inserted;
use crate::scenario::{Measurement, Scenario, Unit};

pub struct Insert;

#[async_trait(?Send)]
impl Scenario for Insert {
    fn name(&self) -> &'static str {
        "raw-insert"
    }

    fn unit(&self) -> Unit {
        Unit::Milliseconds
    }

    async fn run(&self, context: &Context) -> Result<Measurement> {
        let stores = context.place("raw");
        let mut arguments = vec!["raw".to_owned(), "insert".to_owned()];
        arguments.extend(stores.servers().arguments());
        arguments.push(format!("--seconds={}", context.seconds));
        let before = Cpu::of(&context.groups())?;
        let inserted: Inserted = context.ask(&arguments).await?;
        let mut cpu = Cpu::of(&context.groups())?.per_command(&before, inserted.count);
        cpu.insert("loop".to_owned(), inserted.cpu_seconds * 1e6 / inserted.count.max(1) as f64);
        if stores.commits().await? != inserted.count {
            return Err("not every insert is there".into());
        }
        stores.clear(&[]).await?;
        context.quiet().await?;
        Ok(Measurement::new(inserted.p50_ms, cpu).with("p99_ms", inserted.p99_ms))
    }
}
