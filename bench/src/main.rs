//! Yardsticks, the load generator, and what compares Waybill with them. `cargo xtask bench` builds
//! and runs it; docs/performance.md says how to read what it prints.

mod compare;
mod context;
mod lag;
mod load;
mod peer;
mod plot;
mod proc;
mod raw;
mod results;
mod run;
mod scenario;
mod stats;
mod subject;
mod table;
mod yardstick;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Under load it takes half of the time of the allocator of glibc, and less memory.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Parser)]
#[command(about = "Measures Waybill, and what its servers can do at most")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Runs scenarios and yardsticks in turns on private servers, and compares them
    Run(run::Run),
    /// Measures Waybill beside other software that does the same
    Peers(peer::Peers),
    /// Sends commands or queries over HTTP and tells what became of them
    Load(load::Plan),
    /// One of the yardsticks' loops, for `run`
    #[command(subcommand)]
    Raw(raw::Raw),
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Run(run) => run::run(&run),
        Task::Peers(peers) => peer::run(&peers),
        Task::Load(plan) => load::load(&plan).map(|()| true),
        Task::Raw(raw) => raw::run(raw).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
