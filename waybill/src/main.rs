//! `waybill`: without a command it starts the embedded mode.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use shared::service::process;
use shared::service::shutdown;
use shared::service::telemetry;
use waybill::client::Client;
use waybill::operate::dead_letters;
use waybill::{import, load, operate, up, verify};

/// An order backend that never loses an order.
#[derive(Parser)]
#[command(version, arg_required_else_help = false)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Starts the whole system in this process (the default)
    Up,
    /// Sends a history of commands, from NDJSON or CSV, through POST /commands
    Import {
        /// One command per line (NDJSON), or a table (CSV): see docs/reference/import.md
        file: PathBuf,
        /// Requests under way at a time
        #[arg(long, default_value_t = 4)]
        concurrency: usize,
        #[command(flatten)]
        services: Services,
    },
    /// Generates a realistic flow of orders and drives a running system with it
    Load {
        /// Commands to send
        #[arg(long, default_value_t = 10_000)]
        commands: usize,
        /// Commands per second; 0 is as fast as it goes
        #[arg(long, default_value_t = 0)]
        rate: u32,
        /// Clients at a time, each busy with one order
        #[arg(long, default_value_t = 64)]
        clients: usize,
        /// The same seed makes the same orders; drawn by chance when it is left out
        #[arg(long)]
        seed: Option<u64>,
        /// Tells as well how long orders take until queries show them
        #[arg(long)]
        probe: bool,
        /// Writes the commands to this file, as NDJSON, instead of sending them
        #[arg(long)]
        out: Option<PathBuf>,
        #[command(flatten)]
        services: Services,
    },
    /// Makes all views again from the log, beside the live ones
    Rebuild {
        #[command(flatten)]
        services: Services,
    },
    /// Streams that could not be applied to the views
    Parked {
        #[command(subcommand)]
        what: Parked,
        #[command(flatten)]
        services: Services,
    },
    /// The log itself
    Log {
        #[command(subcommand)]
        what: Log,
        #[command(flatten)]
        services: Services,
    },
    /// Messages that arrived as an event and are none
    DeadLetters {
        #[command(subcommand)]
        what: DeadLetters,
        #[command(flatten)]
        services: Services,
    },
    /// Prints the events of an order: who did what, when and why
    Audit {
        order: String,
        #[command(flatten)]
        services: Services,
    },
    /// Prints an order as it was at a version or a time
    State {
        order: String,
        #[arg(long, conflicts_with = "at")]
        version: Option<i64>,
        /// RFC 3339, such as 2026-01-02T03:04:05Z
        #[arg(long)]
        at: Option<String>,
        #[command(flatten)]
        services: Services,
    },
    /// Folds the log and compares every view with it
    Verify {
        /// Seconds to wait for the views to catch up with the log
        #[arg(long, default_value_t = 30)]
        wait: u64,
        #[command(flatten)]
        services: Services,
    },
}

#[derive(Subcommand)]
enum Parked {
    /// Lists the streams that can't be applied
    List,
    /// Shows why a stream is parked, and its events
    Show { stream: String },
    /// Tries a stream again from the log
    Retry { stream: String },
}

#[derive(Subcommand)]
enum Log {
    /// Gives a log that was restored from a backup a new identity: cursors and tokens of what it
    /// held before are turned away, and the views are made again
    Renew,
}

#[derive(Subcommand)]
enum DeadLetters {
    /// Lists the oldest of them, and why they are no events
    List,
    /// Shows one with all its bytes
    Show { id: String },
    /// Removes one for good
    Discard { id: String },
}

#[derive(Args)]
struct Services {
    /// Where command-api is [default: http://, and WAYBILL_COMMAND_LISTEN or 127.0.0.1:8080]
    #[arg(long, global = true)]
    command_api: Option<String>,
    /// Where query-api is [default: http://, and WAYBILL_QUERY_LISTEN or 127.0.0.1:8081]
    #[arg(long, global = true)]
    query_api: Option<String>,
    /// Where a projector is [default: http://, and WAYBILL_PROJECTOR_LISTEN or 127.0.0.1:8082]
    #[arg(long, global = true)]
    projector: Option<String>,
}

fn address(given: Option<String>, variable: &str, default: &str) -> String {
    given.unwrap_or_else(|| {
        let listens = std::env::var(variable).unwrap_or_else(|_| default.to_owned());
        format!("http://{listens}")
    })
}

impl Services {
    fn command_api(&self) -> Client {
        let given = self.command_api.clone();
        Client::new(&address(given, "WAYBILL_COMMAND_LISTEN", "127.0.0.1:8080"))
    }

    fn projector(&self) -> Client {
        let given = self.projector.clone();
        Client::new(&address(given, "WAYBILL_PROJECTOR_LISTEN", "127.0.0.1:8082"))
    }

    fn query_api(&self) -> Client {
        let given = self.query_api.clone();
        Client::new(&address(given, "WAYBILL_QUERY_LISTEN", "127.0.0.1:8081"))
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().command.unwrap_or(Command::Up) {
        Command::Up => return process::run(up::Config::read, up::up).await,
        Command::Import { file, concurrency, services } => {
            start();
            let import = import::Import { file, concurrency, stop: shutdown::on_signal() };
            import.run(&services.command_api()).await
        }
        Command::Load { commands, rate, clients, seed, probe, out, services } => {
            start();
            let plan = load::Plan { commands, rate, clients, seed, stop: shutdown::on_signal() };
            match out {
                Some(file) => plan.write(&file),
                None => {
                    plan.run(&services.command_api(), probe.then(|| services.query_api())).await
                }
            }
        }
        Command::Rebuild { services } => operate::rebuild(&services.projector()).await,
        Command::Parked { what, services } => match what {
            Parked::List => operate::parked(&services.projector()).await,
            Parked::Show { stream } => {
                operate::show(&services.projector(), &services.command_api(), &stream).await
            }
            Parked::Retry { stream } => operate::retry(&services.projector(), &stream).await,
        },
        Command::Log { what: Log::Renew, services } => operate::renew(&services.projector()).await,
        Command::DeadLetters { what, services } => match what {
            DeadLetters::List => dead_letters::list(&services.projector()).await,
            DeadLetters::Show { id } => dead_letters::show(&services.projector(), &id).await,
            DeadLetters::Discard { id } => dead_letters::discard(&services.projector(), &id).await,
        },
        Command::Audit { order, services } => operate::audit(&services.command_api(), &order).await,
        Command::State { order, version, at, services } => {
            operate::state(&services.command_api(), &order, version, at.as_deref()).await
        }
        Command::Verify { wait, services } => {
            start();
            verify::verify(&services.command_api(), &services.query_api(), wait).await
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn start() {
    telemetry::start("warn");
}
