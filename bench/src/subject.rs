//! What a load is sent to: Waybill's three services, or the raw chain in their place.

use std::collections::BTreeMap;
use std::time::Duration;

use waybill::client::Client;
use xtask::servers::Process;

use crate::Result;
use crate::context::{Context, Running};
use crate::lag::Lag;
use crate::load::{Mix, Plan, Report};
use crate::proc::{Cpu, peak_mib};
use crate::raw::Stores;
use crate::scenario::Measurement;

/// A short load before what is measured, so that connections and caches are there, in seconds.
const WARM_UP: f64 = 1.0;

pub struct Subject {
    pub stores: Stores,
    commands: Running,
    /// The projector, or nothing where the api of the raw chain tells how far the views are.
    projector: Option<Running>,
    queries: Option<Running>,
    /// Further services of the same kinds.
    more: Vec<Running>,
    worker: Option<Process>,
}

/// From the start of a round to the start of the next at least, in milliseconds, for each stage of the
/// raw chain. Fewer and larger rounds cost less and take longer.
#[derive(Clone, Copy)]
pub struct Paces {
    groups: u64,
    relay: u64,
    worker: u64,
}

impl Paces {
    pub const MANY_CLIENTS: Self = Self { groups: 5, relay: 10, worker: 10 };
    /// More than 3 ms would keep so few clients waiting.
    pub const FEW_CLIENTS: Self = Self { groups: 3, relay: 10, worker: 10 };
    pub const NO_DELAY: Self = Self { groups: 0, relay: 0, worker: 0 };
}

/// What became of a load.
pub struct Driven {
    pub report: Report,
    pub lag: Lag,
    /// From the end of the load until the views had everything.
    pub catch_up: Duration,
    pub cpu: BTreeMap<String, f64>,
}

impl Subject {
    /// The three services, ready. `more` are variables on top of the usual ones.
    pub async fn waybill(context: &Context, more: &[(&str, &str)]) -> Result<Self> {
        let stores = context.place("bench");
        let commands = service(context, &stores, "command-api", more)?;
        let projector = service(context, &stores, "projector", more)?;
        let queries = service(context, &stores, "query-api", more)?;
        for service in [&commands, &projector, &queries] {
            service.until_ready().await?;
        }
        let (projector, queries) = (Some(projector), Some(queries));
        Ok(Self { stores, commands, projector, queries, more: vec![], worker: None })
    }

    /// So many of them, ready, and one query-api.
    pub async fn of_several(context: &Context, commands: usize, projectors: usize) -> Result<Self> {
        let mut all = Self::waybill(context, &[]).await?;
        for (name, count) in [("command-api", commands), ("projector", projectors)] {
            for _ in 1..count {
                all.more.push(service(context, &all.stores, name, &[])?);
            }
        }
        for service in &all.more {
            service.until_ready().await?;
        }
        Ok(all)
    }

    /// The raw chain.
    pub async fn raw(context: &Context, paces: Paces) -> Result<Self> {
        let stores = context.place("raw");
        let servers = stores.servers().arguments();
        let mut api = vec!["raw".to_owned(), "api".to_owned()];
        api.extend(servers.clone());
        api.push(format!("--groups={}", paces.groups));
        api.push(format!("--relay={}", paces.relay));
        let commands = context.serve("api", "bench", |command, addresses| {
            command.args(api).arg("--address-file").arg(addresses);
        })?;
        let mut worker = vec!["raw".to_owned(), "worker".to_owned()];
        worker.extend(servers.clone());
        worker.push(format!("--pace={}", paces.worker));
        let worker = Some(context.work("worker", &worker)?);
        let queries = context.serve("query", "bench", |command, addresses| {
            command.args(["raw", "query"]).args(servers).arg("--address-file").arg(addresses);
        })?;
        let (queries, more) = (Some(queries), vec![]);
        Ok(Self { stores, commands, projector: None, queries, more, worker })
    }

    fn services(&self) -> impl Iterator<Item = &Running> {
        let one = [Some(&self.commands), self.projector.as_ref(), self.queries.as_ref()];
        one.into_iter().flatten().chain(&self.more)
    }

    /// The process groups that work for it, the servers' among them.
    pub fn groups(&self, context: &Context) -> Vec<(&'static str, u32)> {
        let services = self.services().map(|running| (running.name, running.process.id()));
        let worker = self.worker.iter().map(|worker| (worker.name(), worker.id()));
        services.chain(worker).chain(context.groups()).collect()
    }

    /// Each service.
    pub fn clients(&self) -> Vec<Client> {
        self.services().map(|running| running.client.clone()).collect()
    }

    /// The services alone.
    pub fn own_groups(&self) -> Vec<(&'static str, u32)> {
        self.services().map(|running| (running.name, running.process.id())).collect()
    }

    pub fn projector(&self) -> Result<&Running> {
        Ok(self.projector.as_ref().ok_or("there is no projector")?)
    }

    fn queries(&self) -> Result<&Running> {
        Ok(self.queries.as_ref().ok_or("nothing answers queries")?)
    }

    pub fn lag(&self) -> Lag {
        let client: &Client = &self.projector.as_ref().unwrap_or(&self.commands).client;
        Lag::new(client.clone())
    }

    /// A plan for these addresses.
    pub fn plan(&self, mix: Mix, clients: usize, seconds: f64) -> Result<Plan> {
        let further = self.more.iter().filter(|running| running.name == self.commands.name);
        let commands = [&self.commands].into_iter().chain(further);
        let commands = commands.map(|running| &running.url[..]).collect::<Vec<_>>().join(",");
        let queries = self.queries()?.url.clone();
        Ok(Plan { commands, queries, ..Plan::new(mix, clients, seconds) })
    }

    /// A short load, and the views behind it; returns how many orders it created.
    pub async fn warm_up(&self, context: &Context, plan: &Plan) -> Result<u64> {
        let seconds = plan.seconds.min(WARM_UP);
        let warm = Plan { seconds, seed: None, count: None, ..plan.clone() };
        let report = context.load(&warm).await?;
        self.lag().catch_up().await?;
        Ok(report.created)
    }

    /// Sends a load and watches the views until they have all of it.
    pub async fn drive(&self, context: &Context, plan: &Plan) -> Result<Driven> {
        let groups = self.groups(context);
        let (mut lag, before) = (self.lag(), Cpu::of(&groups)?);
        let report = lag.during(context.load(plan)).await?;
        let behind = lag.events;
        let catch_up = lag.catch_up().await?;
        lag.events = behind;
        let mut cpu = Cpu::of(&groups)?.per_command(&before, report.accepted);
        cpu.insert("load".to_owned(), report.cpu_micros());
        Ok(Driven { report, lag, catch_up, cpu })
    }

    /// An error unless log and views hold all orders that were created, and no others.
    pub async fn check(&self, created: u64, unsure: u64) -> Result<()> {
        let found = match &self.projector {
            Some(_) => {
                let stats = self.queries()?.client.get("/stats").await?;
                vec![stats["orders"].as_u64().unwrap_or(0)]
            }
            None => {
                let (_, listed, counted) = self.stores.raw_views().await?;
                vec![self.stores.commits().await?, listed, counted]
            }
        };
        match found.iter().all(|count| (created..=created + unsure).contains(count)) {
            true => Ok(()),
            false => Err(format!("{created} orders were created, and {found:?} found").into()),
        }
    }

    /// The most memory that each service had at a time; of several of a kind, the greatest.
    pub fn peaks(&self, mut measurement: Measurement) -> Result<Measurement> {
        for running in self.services() {
            let name = format!("peak_{}_mib", running.name);
            let others = measurement.more.get(&name).copied().unwrap_or(0.0);
            measurement = measurement.with(&name, peak_mib(running.process.id())?.max(others));
        }
        Ok(measurement)
    }

    /// Ends the processes and removes what they left on the servers.
    pub async fn end(self, context: &Context) -> Result<()> {
        let mut queues = vec![];
        if let Some(projector) = &self.projector {
            let told = projector.client.get("/generations").await?;
            let ids = told["items"].as_array().into_iter().flatten();
            let namespace = &self.stores.servers().namespace;
            queues.extend(
                ids.filter_map(|item| item["id"].as_str())
                    .map(|id| format!("{namespace}.views.{id}")),
            );
        }
        self.services().for_each(|running| running.process.kill());
        self.worker.iter().for_each(Process::kill);
        self.stores.clear(&queues).await?;
        context.quiet().await
    }
}

/// Starts one of the services, under the names of these stores.
pub fn service(
    context: &Context,
    stores: &Stores,
    name: &'static str,
    more: &[(&str, &str)],
) -> Result<Running> {
    let servers = stores.servers();
    context.serve(name, name, |command, addresses| {
        command
            .env("WAYBILL_MONGODB_URL", &servers.mongodb)
            .env("WAYBILL_RABBITMQ_URL", &servers.rabbitmq)
            .env("WAYBILL_REDIS_URL", &servers.redis)
            .env("WAYBILL_NAMESPACE", &servers.namespace)
            .env("WAYBILL_LOG", "warn")
            .env("WAYBILL_COMMAND_LISTEN", "127.0.0.1:0")
            .env("WAYBILL_PROJECTOR_LISTEN", "127.0.0.1:0")
            .env("WAYBILL_QUERY_LISTEN", "127.0.0.1:0")
            .env("WAYBILL_ADDRESS_FILE", addresses)
            .envs(more.iter().copied());
    })
}

impl Driven {
    /// Commands per second until the views had them all, and what else was seen.
    pub fn measurement(&self) -> Measurement {
        let report = &self.report;
        let seconds = report.seconds + self.catch_up.as_secs_f64();
        Measurement::new(report.accepted as f64 / seconds, self.cpu.clone())
            .with("acknowledged_per_s", report.rate())
            .with("p50_ms", report.p50_ms)
            .with("p99_ms", report.p99_ms)
            .with("not_accepted", (report.refused + report.shed + report.broken) as f64)
            .with("max_lag_events", self.lag.max_events as f64)
            .with("max_lag_s", self.lag.max_seconds)
            .with("final_lag_events", self.lag.events as f64)
            .with("catch_up_s", self.catch_up.as_secs_f64())
    }
}
