//! `waybill`: without a command it starts the embedded mode.

use std::process::ExitCode;

use clap::Parser as _;
use waybill::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    Cli::parse().run().await
}
