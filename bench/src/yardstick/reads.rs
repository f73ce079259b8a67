//! A bare handler that reads views of the same size.

use async_trait::async_trait;

use crate::Result;
use crate::context::Context;
use crate::load::{Mix, Plan};
use crate::scenario::{Measurement, Scenario, Unit, reads};

pub struct Reads {
    name: &'static str,
    mix: Mix,
}

pub const GET: Reads = Reads { name: "raw-get", mix: Mix::Get };
pub const LIST: Reads = Reads { name: "raw-list-50", mix: Mix::List };

#[async_trait(?Send)]
impl Scenario for Reads {
    fn name(&self) -> &'static str {
        self.name
    }

    fn unit(&self) -> Unit {
        Unit::PerSecond
    }

    async fn run(&self, context: &Context) -> Result<Measurement> {
        let stores = context.place("raw");
        let known = reads::ORDERS.min(context.backlog);
        stores.fill_views(known, reads::SEED).await?;
        let servers = stores.servers().arguments();
        let query = context.serve("query", "bench", |command, addresses| {
            command.args(["raw", "query"]).args(servers).arg("--address-file").arg(addresses);
        })?;
        context.quiet().await?;
        let plan = Plan::new(self.mix, reads::CLIENTS, context.seconds);
        let (queries, seed) = (query.url.clone(), Some(reads::SEED));
        let plan = Plan { queries, known, seed, ..plan };
        let mut groups = context.groups();
        groups.push((query.name, query.process.id()));
        let measurement = reads::measure(context, &groups, &plan).await?;
        query.process.kill();
        stores.clear(&[]).await?;
        context.quiet().await?;
        Ok(measurement)
    }
}
