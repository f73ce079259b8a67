//! `cargo xtask torture`: a long fault campaign on private servers.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

#[derive(Parser)]
#[command(about = "A fault campaign on private servers", version)]
struct Campaign {
    /// How long faults are done
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    minutes: u64,
    /// The same seed chooses the same faults; drawn by chance when it is left out
    #[arg(long)]
    seed: Option<u64>,
    /// Only kinds of faults whose name contains this
    #[arg(long, default_value = "")]
    only: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Campaign { minutes, seed, only } = Campaign::parse();
    let seed = seed.unwrap_or_else(rand::random);
    println!("Torture for {minutes} minutes, seed {seed}.");
    let report = tests::torture::run(Duration::from_secs(minutes * 60), seed, &only).await;
    println!("{report:#?}");
    if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
