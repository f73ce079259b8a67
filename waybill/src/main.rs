//! `waybill`: without a command it starts the embedded mode.

use std::process::ExitCode;

use clap::Parser as _;
use waybill::cli::Cli;

/// The views are in memory, in many small pieces: the allocator of glibc takes two fifths of the time that
/// they are made in. This one needs nothing but a compiler for C to be built, as SQLite does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    Cli::parse().run().await
}
