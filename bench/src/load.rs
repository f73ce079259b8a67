//! The load generator: one thread, plain sockets, requests that are rendered before the clock runs. It
//! shares the machine with what it measures, so it does no more than it must for a request: copy a
//! rendered one, put a new id into it, write, and read a status and a length.

mod clients;
mod connection;
mod ids;
mod live;
mod pace;
mod report;
mod requests;
mod visible;
mod watch;

use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

pub use self::ids::Ids;
pub use self::report::{Report, SLOT};
use crate::Result;
use crate::proc::own_cpu;

/// How long all connections together may take to be accepted.
const GREETING: Duration = Duration::from_secs(30);

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mix {
    /// Orders of two items, each with an id of the client's
    Create,
    /// Orders through their lives: created, paid, shipped, delivered; some cancelled or refunded
    Mixed,
    /// One order, by an id that a run of `create` with the same seed used
    Get,
    /// The newest 50 orders
    List,
    /// One order at a time for each client, and how long it takes until query-api shows it
    Visible,
    /// The mixed flow, with a stream of live changes for each of so many clients, who follow one customer
    /// each, all of them in turn: how long it takes from a command until a stream shows what it did
    Live,
    /// The same, with the more streams for a customer the more orders the customer has
    Crowd,
    /// So many open dashboards: streams of all changes, and the figures once a second
    Watch,
}

/// How much, for how long, where to.
#[derive(Debug, Clone, Args)]
pub struct Plan {
    /// Where commands are taken; several, with commas between, have equal shares of the connections
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    pub commands: String,
    /// Where queries are answered
    #[arg(long, default_value = "http://127.0.0.1:8081")]
    pub queries: String,
    #[arg(long, value_enum, default_value = "create")]
    pub mix: Mix,
    /// Connections that are kept; each has one request under way at most
    #[arg(long, default_value_t = 256)]
    pub clients: usize,
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
    /// Requests; without it as many as fit into the time
    #[arg(long)]
    pub count: Option<u64>,
    /// Requests per second, sent whether or not answers come; without it each client sends its next
    /// request once it has an answer
    #[arg(long)]
    pub rate: Option<f64>,
    /// Decides ids and orders; drawn by chance when it is left out
    #[arg(long)]
    pub seed: Option<u64>,
    /// How many orders exist already, for `get`
    #[arg(long, default_value_t = 1)]
    pub known: u64,
    /// Asks for `/readyz` on each connection before the clock runs, so that none waits to be accepted
    #[arg(long)]
    pub greet: bool,
    /// Prints the report as JSON
    #[arg(long)]
    pub json: bool,
}

impl Plan {
    pub fn new(mix: Mix, clients: usize, seconds: f64) -> Self {
        Self {
            commands: String::new(),
            queries: String::new(),
            mix,
            clients,
            seconds,
            count: None,
            rate: None,
            seed: None,
            known: 1,
            greet: false,
            json: true,
        }
    }

    /// The arguments that make this plan of `bench load`.
    pub fn arguments(&self) -> Vec<String> {
        let mix = self.mix.to_possible_value().map(|value| value.get_name().to_owned());
        let mut arguments = vec![
            "load".to_owned(),
            format!("--commands={}", self.commands),
            format!("--queries={}", self.queries),
            format!("--mix={}", mix.unwrap_or_default()),
            format!("--clients={}", self.clients),
            format!("--seconds={}", self.seconds),
            format!("--known={}", self.known),
        ];
        arguments.extend(self.count.map(|count| format!("--count={count}")));
        arguments.extend(self.rate.map(|rate| format!("--rate={rate}")));
        arguments.extend(self.seed.map(|seed| format!("--seed={seed}")));
        arguments.extend(self.greet.then(|| "--greet".to_owned()));
        arguments.extend(self.json.then(|| "--json".to_owned()));
        arguments
    }
}

/// Sends what the plan says and prints what became of it.
pub fn load(plan: &Plan) -> Result<()> {
    allow_many_connections();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(tokio::task::LocalSet::new().run_until(run(plan)))?;
    match plan.json {
        true => println!("{}", serde_json::to_string(&report)?),
        false => print!("{report}"),
    }
    Ok(())
}

async fn run(plan: &Plan) -> Result<Report> {
    let seed = plan.seed.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
    let ids = Ids::new(seed);
    let limit = Duration::from_secs_f64(plan.seconds);
    match plan.mix {
        Mix::Visible => return visible::run(plan, ids, limit).await,
        Mix::Live | Mix::Crowd => return live::run(plan, ids, seed, limit).await,
        Mix::Watch => return watch::run(plan, limit).await,
        _ => {}
    }
    let prepared = requests::prepare(plan, seed);
    let mut connections = connection::connect(target(plan), plan.clients).await?;
    if plan.greet {
        let ready = requests::ready(target(plan));
        tokio::time::timeout(GREETING, connection::greet(&mut connections, &ready)).await??;
    }
    let (cpu, started, started_unix_s) = (own_cpu()?, Instant::now(), unix_seconds());
    let mut report = clients::run(plan, ids, prepared, connections, started + limit).await?;
    report.seconds = started.elapsed().as_secs_f64();
    report.started_unix_s = started_unix_s;
    report.cpu_seconds = (own_cpu()? - cpu).as_secs_f64();
    Ok(report)
}

/// Since 1970: what two processes have in common.
pub fn unix_seconds() -> f64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap_or_default().as_secs_f64()
}

fn target(plan: &Plan) -> &str {
    match plan.mix {
        Mix::Get | Mix::List => &plan.queries,
        _ => &plan.commands,
    }
}

/// A socket is a file, and shells often allow 1,024 of them.
fn allow_many_connections() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        eprintln!("could not raise the limit of open files: {error}");
    }
}
