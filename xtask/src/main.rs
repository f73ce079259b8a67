//! `cargo xtask`: what a developer of Waybill does, from a machine with Rust alone.

mod bench;
mod frames;
mod test;
mod up;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "The workshop of Waybill")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Installs what is missing, starts private servers and runs every test
    Test {
        /// Only tests whose name contains this
        filter: Option<String>,
        /// With services of a release build, to measure what a test prints
        #[arg(long)]
        release: bool,
    },
    /// Starts the three services as processes on real servers, until Ctrl-C
    Up {
        /// Projector workers
        #[arg(long, default_value_t = 1)]
        projectors: usize,
        /// command-api processes; from the second on, on any free port
        #[arg(long, default_value_t = 1)]
        command_apis: usize,
    },
    /// Runs a fault campaign on private servers and lets an oracle judge the outcome
    Torture {
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=10_000))]
        minutes: u64,
        /// The same seed chooses the same faults; drawn by chance when it is left out
        #[arg(long)]
        seed: Option<u64>,
        /// Only kinds of faults whose name contains this
        #[arg(long)]
        only: Option<String>,
    },
    /// Measures Waybill against raw loops over the same servers, and compares with the last result
    Bench(bench::Bench),
    /// Counts the frames of each page of the dashboard, at rest and under load
    Frames(frames::Frames),
    /// Takes the pictures of the dashboard in docs/images
    Screenshots,
    /// Installs what tests and `up` need, and nothing else
    Install,
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Test { filter, release } => test::test(filter.as_deref(), release),
        Task::Up { projectors, command_apis } => up::up(projectors, command_apis).map(|()| true),
        Task::Torture { minutes, seed, only } => test::torture(minutes, seed, only.as_deref()),
        Task::Bench(bench) => bench::bench(&bench),
        Task::Frames(frames) => frames::frames(&frames),
        Task::Screenshots => test::screenshots(),
        Task::Install => xtask::install::install().map(|()| true),
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
