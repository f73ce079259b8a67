//! The relay with a backlog: a command-api that cannot reach the broker takes orders, another one that
//! can then publishes them.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use waybill::client::Client;
use xtask::servers::Port;

use super::{Measurement, Scenario, Unit};
use crate::Result;
use crate::context::Context;
use crate::load::{Mix, Plan};
use crate::proc::Cpu;
use crate::subject::service;

const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// After that it counts as stuck.
const RELAY_TIMEOUT: Duration = Duration::from_secs(300);

pub struct Relay;

#[async_trait(?Send)]
impl Scenario for Relay {
    fn name(&self) -> &'static str {
        "relay"
    }

    fn unit(&self) -> Unit {
        Unit::PerSecond
    }

    fn yardstick(&self) -> Option<&'static str> {
        Some("raw-publish")
    }

    fn bar(&self) -> Option<f64> {
        Some(0.85)
    }

    async fn run(&self, context: &Context) -> Result<Measurement> {
        let stores = context.place("bench");
        stores.bind().await?;
        let nowhere = Port::reserve()?;
        let url = format!("amqp://127.0.0.1:{}", nowhere.number());
        let alone = [("WAYBILL_RABBITMQ_URL", url.as_str()), ("WAYBILL_MAX_LAG", "off")];
        let before = service(context, &stores, "command-api", &alone)?;
        let taken = fill(context, &before.url).await?;
        before.process.kill();
        let head = stores.head().await?;
        if u64::try_from(head)? < taken {
            return Err(format!("{taken} orders were taken, and the log ends at {head}").into());
        }
        context.quiet().await?;
        let relay = service(context, &stores, "command-api", &[])?;
        let mut groups = context.groups();
        groups.push((relay.name, relay.process.id()));
        let from = until(|at| at > 0, || stores.relayed()).await?;
        let (started, cpu) = (Instant::now(), Cpu::of(&groups)?);
        until(|at| at >= head, || stores.relayed()).await?;
        let (took, events) = (started.elapsed(), u64::try_from(head - from)?);
        let cpu = Cpu::of(&groups)?.per_command(&cpu, events);
        relay.process.kill();
        let (published, messages) = stores.take_all().await?;
        if published < taken {
            return Err(format!("{taken} orders were taken, and {published} published").into());
        }
        stores.clear(&[]).await?;
        context.quiet().await?;
        Ok(Measurement::new(events as f64 / took.as_secs_f64(), cpu)
            .with("events_per_message", published as f64 / messages.max(1) as f64))
    }
}

/// Creates a backlog; returns how many orders were taken.
async fn fill(context: &Context, url: &str) -> Result<u64> {
    let client = Client::new(url);
    let serves = || async { Ok(i64::from(client.get("/events?limit=1").await.is_ok())) };
    until(|serves| serves == 1, serves).await?;
    let plan = Plan::new(Mix::Create, 256, RELAY_TIMEOUT.as_secs_f64());
    let count = Some(context.backlog);
    let plan = Plan { commands: url.to_owned(), queries: url.to_owned(), count, ..plan };
    Ok(context.load(&plan).await?.accepted)
}

/// Asks until the answer is good.
pub async fn until<F: Future<Output = Result<i64>>>(
    good: impl Fn(i64) -> bool,
    ask: impl Fn() -> F,
) -> Result<i64> {
    let started = Instant::now();
    loop {
        let answer = ask().await?;
        if good(answer) {
            return Ok(answer);
        }
        if started.elapsed() > RELAY_TIMEOUT {
            return Err(format!("nothing moves; it stands at {answer}").into());
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
