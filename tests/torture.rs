//! `cargo xtask torture`: a long fault campaign on private servers.

use std::process::ExitCode;
use std::time::Duration;

fn argument(name: &str) -> Option<u64> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1).and_then(|value| value.parse().ok())
}

#[tokio::main]
async fn main() -> ExitCode {
    let minutes = argument("--minutes").unwrap_or(5);
    let seed = argument("--seed").unwrap_or_else(rand::random);
    println!("Torture for {minutes} minutes, seed {seed}.");
    let report = tests::torture::run(Duration::from_secs(minutes * 60), seed).await;
    println!("{report:#?}");
    if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
