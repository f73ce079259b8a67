//! `cargo xtask frames`.

use clap::Args;
use xtask::Result;
use xtask::install::install;
use xtask::programs::cargo;

use crate::up::target;

/// `tests/frames.rs` waits an hour for the log to be filled, and the embedded mode holds all views in memory.
const MAX_COMMITS: u64 = 10_000_000;

#[derive(Debug, Args)]
pub struct Frames {
    /// Commits in the log before the pages are opened
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1_000..=MAX_COMMITS))]
    commits: u64,
    /// Seconds for which the frames of each page are counted
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Measures a dev build, to try the command itself: its numbers mean little
    #[arg(long)]
    dev: bool,
}

/// Builds the embedded mode as its users run it, and counts; true when each page has frames enough.
pub fn frames(frames: &Frames) -> Result<bool> {
    install()?;
    build(frames.dev)?;
    let profile = if frames.dev { "debug" } else { "release" };
    let mut command = cargo();
    command.args(["run", "--quiet", "-p", "tests", "--bin", "frames", "--"]);
    command.arg("--waybill").arg(target().join(profile).join("waybill"));
    command.args(["--commits", &frames.commits.to_string()]);
    command.args(["--seconds", &frames.seconds.to_string()]);
    let status = command.status().map_err(|error| format!("counting frames: {error}"))?;
    Ok(status.success())
}

fn build(dev: bool) -> Result<()> {
    let mut build = cargo();
    build.args(["build", "--bins", "-p", "waybill"]);
    build.args((!dev).then_some("--release"));
    match build.status().map_err(|error| format!("cargo build: {error}"))?.success() {
        true => Ok(()),
        false => Err("cargo build failed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        frames: Frames,
    }

    #[test]
    fn no_more_commits_are_taken_than_are_made_while_they_are_waited_for() {
        const PER_SECOND: u64 = 5_000;
        let taken = |commits: u64| {
            let commits = commits.to_string();
            let line = Line::try_parse_from(["frames", "--commits", &commits]).ok();
            line.map(|line| line.frames.commits)
        };
        assert_eq!(taken(1_000_000), Some(1_000_000));
        assert_eq!(taken(PER_SECOND * 3_600), None);
    }
}
