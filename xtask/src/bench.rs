//! `cargo xtask bench`.

use std::path::Path;

use clap::Args;
use xtask::Result;
use xtask::install::install;
use xtask::peers;
use xtask::programs::cargo;

use crate::up::target;

#[derive(Debug, Args)]
pub struct Bench {
    /// How often yardsticks and Waybill take turns
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long each load lasts
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Only scenarios whose name contains this
    #[arg(long)]
    only: Option<String>,
    /// Events that wait where a backlog is measured
    #[arg(long, default_value_t = 200_000)]
    backlog: u64,
    /// Replaces bench/results/latest.json by this result
    #[arg(long)]
    commit_result: bool,
    /// Measures Waybill beside cqrs-es and Emmett, and nothing else
    #[arg(long, conflicts_with_all = ["backlog", "commit_result"])]
    peers: bool,
    /// Measures a dev build, to try the benchmark itself: its numbers mean nothing
    #[arg(long)]
    dev: bool,
}

/// Builds everything and measures; true when no ratio fell and nothing failed.
pub fn bench(bench: &Bench) -> Result<bool> {
    install()?;
    build(bench.dev)?;
    let (root, target) = (Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), target());
    let profile = if bench.dev { "debug" } else { "release" };
    let mut command = std::process::Command::new(target.join(profile).join("bench"));
    command.args([if bench.peers { "peers" } else { "run" }]);
    command.args(["--rounds", &bench.rounds.to_string()]);
    command.args(["--seconds", &bench.seconds.to_string()]);
    if let Some(only) = &bench.only {
        command.args(["--only", only]);
    }
    command.arg("--out").arg(target.join("bench"));
    if bench.peers {
        let peers = peers::build(&root, &target)?;
        command.arg("--cqrs-es").arg(peers.cqrs_es).arg("--emmett").arg(peers.emmett);
    } else {
        command.args(["--backlog", &bench.backlog.to_string()]);
        command.args(bench.commit_result.then_some("--commit-result"));
        command.arg("--results").arg(root.join("bench/results"));
    }
    let status = command.status().map_err(|error| format!("running the benchmark: {error}"))?;
    Ok(status.success())
}

fn build(dev: bool) -> Result<()> {
    let mut build = cargo();
    build.args(["build", "--bins"]);
    build.args(["-p", "bench", "-p", "command-api", "-p", "projector", "-p", "query-api"]);
    build.args((!dev).then_some("--release"));
    match build.status().map_err(|error| format!("cargo build: {error}"))?.success() {
        true => Ok(()),
        false => Err("cargo build failed".to_owned()),
    }
}
