//! One measurement of a peer: a database of its own, a load, and a look at what is stored.

use std::rc::Rc;

use async_trait::async_trait;

use crate::Result;
use crate::context::{Context, Running};
use crate::load::{Ids, Mix, Plan, Report};
use crate::proc::{Cpu, peak_mib};
use crate::scenario::{Measurement, Scenario, Unit};

/// A load before what is measured, in seconds. It is longer than Waybill's: Node.js compiles what runs often,
/// and is much slower before.
const WARM_UP: f64 = 5.0;

/// What Waybill is measured beside.
#[async_trait(?Send)]
pub trait Software {
    /// The name of its measurements under this load.
    fn name(&self, mix: Mix) -> &'static str;

    /// Starts it on an empty database of this name, with the same load to come for `context.seconds`.
    fn start(&self, context: &Context, database: &str) -> Result<Running>;

    /// The process group of its server.
    fn server(&self, context: &Context) -> (&'static str, u32);

    /// What is in the database, asked of the server and not of the peer.
    async fn stored(&self, database: &str) -> Result<Stored>;

    /// Removes the database.
    async fn remove(&self, database: &str) -> Result<()>;
}

/// What a peer has stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    pub orders: u64,
    pub events: u64,
    /// Views of orders.
    pub views: u64,
    /// Events that went into the views: the sum of their versions.
    pub viewed: u64,
}

/// A peer under a load.
pub struct Peer {
    pub software: Rc<dyn Software>,
    pub mix: Mix,
    pub clients: usize,
}

#[async_trait(?Send)]
impl Scenario for Peer {
    fn name(&self) -> &'static str {
        self.software.name(self.mix)
    }

    fn unit(&self) -> Unit {
        Unit::PerSecond
    }

    async fn run(&self, context: &Context) -> Result<Measurement> {
        let database = context.place("peer").servers().namespace.clone();
        let running = self.software.start(context, &database)?;
        running.until_ready().await?;
        let server = self.software.server(context);
        let groups = [(running.name, running.process.id()), server];
        let plan = Plan {
            commands: running.url.clone(),
            queries: running.url.clone(),
            seed: Some(uuid::Uuid::new_v4().as_u64_pair().0),
            // Node.js accepts one connection in each turn of its event loop: under load that takes seconds.
            greet: true,
            ..Plan::new(self.mix, self.clients, context.seconds)
        };
        let warm_up = Plan { seconds: plan.seconds.min(WARM_UP), seed: None, ..plan.clone() };
        let warm = context.load(&warm_up).await?;
        let before = Cpu::of(&groups)?;
        let report = context.load(&plan).await?;
        let mut cpu = Cpu::of(&groups)?.per_command(&before, report.accepted);
        cpu.insert("load".to_owned(), report.cpu_micros());
        check(self.software.stored(&database).await?, &[&warm, &report])?;
        shows_the_first(&running, plan.seed).await?;
        // Views are updated before the answer, so no time is added for them.
        let measurement = Measurement::new(report.rate(), cpu)
            .with("p50_ms", report.p50_ms)
            .with("p99_ms", report.p99_ms)
            .with("not_accepted", (report.refused + report.shed + report.broken) as f64)
            .with(&format!("peak_{}_mib", running.name), peak_mib(running.process.id())?);
        running.process.kill();
        self.software.remove(&database).await?;
        context.quiet_with(&[server]).await?;
        Ok(measurement)
    }
}

/// An error unless the database holds what was acknowledged, and nothing else, in log and views alike.
fn check(stored: Stored, reports: &[&Report]) -> Result<()> {
    let sum = |of: fn(&Report) -> u64| reports.iter().map(|report| of(report)).sum::<u64>();
    let unsure = sum(|report| report.broken);
    let (created, accepted) = (sum(|report| report.created), sum(|report| report.accepted));
    let is = |count: u64, wanted: u64| (wanted..=wanted + unsure).contains(&count);
    let complete = [(stored.orders, created), (stored.events, accepted)];
    let refused = sum(|report| report.refused);
    if complete.iter().all(|(count, wanted)| is(*count, *wanted))
        && stored.views == stored.orders
        && stored.viewed == stored.events
        && refused == 0
    {
        return Ok(());
    }
    let told = format!("{created} orders and {accepted} commands were acknowledged");
    Err(format!("{told}, {refused} refused, {unsure} without an answer, and {stored:?}").into())
}

/// Reads the first order of a load over HTTP.
async fn shows_the_first(running: &Running, seed: Option<u64>) -> Result<()> {
    let first = Ids::new(seed.unwrap_or_default()).text(0);
    let id = std::str::from_utf8(&first)?;
    let view = running.client.get(&format!("/orders/{id}")).await?;
    match view["order_id"] == id && view["version"].as_u64() >= Some(1) {
        true => Ok(()),
        false => Err(format!("the view of {id} is {view}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: Stored = Stored { orders: 5, events: 9, views: 5, viewed: 9 };

    #[test]
    fn what_was_acknowledged_must_be_stored_and_nothing_else() {
        let report = |created, accepted| Report { created, accepted, ..Report::default() };
        let (warm, main) = (report(2, 3), report(3, 6));
        assert!(check(STORED, &[&warm, &main]).is_ok());
        for wrong in [
            Stored { orders: 4, views: 4, ..STORED },
            Stored { orders: 6, views: 6, ..STORED },
            Stored { events: 8, viewed: 8, ..STORED },
            Stored { views: 4, ..STORED },
            Stored { viewed: 8, ..STORED },
        ] {
            assert!(check(wrong, &[&warm, &main]).is_err(), "{wrong:?}");
        }
        assert!(check(STORED, &[&main, &Report { refused: 1, ..warm.clone() }]).is_err());
    }

    #[test]
    fn a_command_without_an_answer_may_be_stored() {
        let report = Report { created: 4, accepted: 8, broken: 1, ..Report::default() };
        assert!(check(STORED, &[&report]).is_ok());
    }
}
