//! `waybill`: without a command it starts the embedded mode.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use shared::{process, shutdown, telemetry};
use waybill::client::Client;
use waybill::{import, load, up, verify};

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
        /// One command per line (NDJSON), or a table (CSV): see docs/import.md
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
    /// Folds the log and compares every view with it
    Verify {
        /// Seconds to wait for the views to catch up with the log
        #[arg(long, default_value_t = 30)]
        wait: u64,
        #[command(flatten)]
        services: Services,
    },
}

#[derive(Args)]
struct Services {
    /// Where command-api is [default: http://, and WAYBILL_COMMAND_LISTEN or 127.0.0.1:8080]
    #[arg(long)]
    command_api: Option<String>,
    /// Where query-api is [default: http://, and WAYBILL_QUERY_LISTEN or 127.0.0.1:8081]
    #[arg(long)]
    query_api: Option<String>,
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
