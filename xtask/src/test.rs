//! `cargo xtask test`.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use xtask::Result;
use xtask::install::install;
use xtask::programs::cargo;
use xtask::servers::Servers;

/// Runs every test; true when none failed.
pub fn test(filter: Option<&str>, release: bool) -> Result<bool> {
    install()?;
    build(&["--all-targets"])?;
    if release {
        build(&["--release", "--bins"])?;
    }
    let servers = Servers::start()?;
    let nextest =
        cargo().args(["nextest", "--version"]).output().is_ok_and(|it| it.status.success());
    let mut command = cargo();
    match nextest {
        true => command.args([
            "nextest",
            "run",
            "--workspace",
            "--no-fail-fast",
            "--profile",
            profile(),
        ]),
        false => {
            command.args(["test", "--workspace", "--no-fail-fast", "--lib", "--bins", "--tests"])
        }
    };
    command.env("RUST_TEST_THREADS", threads().to_string());
    command.env("NEXTEST_TEST_THREADS", (threads() * SLOTS).to_string());
    for (name, url) in servers.variables() {
        command.env(name.replace("WAYBILL_", "WAYBILL_TEST_"), url);
    }
    if release {
        command.env("WAYBILL_TEST_RELEASE", "1");
    }
    command.args(filter);
    let (counts, passed) = watch(&mut command, nextest)?;
    println!("{} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.skipped);
    Ok(passed && counts.failed == 0 && counts.passed > 0)
}

/// Without a bound for a test where more is asked of some (`docs/reference/testing.md`).
fn profile() -> &'static str {
    let asks_more = |name: &&str| std::env::var_os(name).is_some();
    if ["PROPTEST_CASES", "WAYBILL_LARGE_ORDERS"].iter().any(asks_more) {
        "long"
    } else {
        "default"
    }
}

/// What a test takes of the threads of cargo-nextest; one that mostly waits takes less (`.config/nextest.toml`).
const SLOTS: usize = 2;

/// Tests at a time: half as many more than there are processors, as many of them wait for what is about to
/// happen. More would starve the servers.
fn threads() -> usize {
    if std::env::var_os("WAYBILL_LARGE_ORDERS").is_some() {
        return 1; // What is measured has the machine for itself.
    }
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    processors + processors / 2
}

/// Runs a fault campaign; true when the oracle found nothing.
pub fn torture(minutes: u64, seed: Option<u64>, only: Option<&str>) -> Result<bool> {
    install()?;
    build(&["--all-targets"])?;
    let mut command = cargo();
    command.args([
        "run",
        "--quiet",
        "-p",
        "tests",
        "--bin",
        "torture",
        "--",
        "--minutes",
        &minutes.to_string(),
    ]);
    if let Some(seed) = seed {
        command.args(["--seed", &seed.to_string()]);
    }
    if let Some(only) = only {
        command.args(["--only", only]);
    }
    let status = command.status().map_err(|error| format!("running the campaign: {error}"))?;
    Ok(status.success())
}

/// Takes pictures of the dashboard in a headless browser.
pub fn screenshots() -> Result<bool> {
    install()?;
    let mut command = cargo();
    command.args(["run", "--quiet", "-p", "tests", "--bin", "screenshots"]);
    let status = command.status().map_err(|error| format!("taking pictures: {error}"))?;
    Ok(status.success())
}

/// The services are started by tests as processes; both builds share everything.
fn build(what: &[&str]) -> Result<()> {
    let status = cargo().args(["build", "--workspace"]).args(what).status();
    match status.map_err(|error| format!("cargo build: {error}"))?.success() {
        true => Ok(()),
        false => Err("cargo build failed".to_owned()),
    }
}

#[derive(Debug, Default, PartialEq)]
struct Counts {
    /// Which runner's lines count: the output of a failed test holds lines of the other's form.
    nextest: bool,
    passed: usize,
    failed: usize,
    skipped: usize,
}

/// Shows what the command prints, and counts its tests.
fn watch(command: &mut Command, nextest: bool) -> Result<(Counts, bool)> {
    let broken = |error: std::io::Error| format!("running the tests: {error}");
    let (reader, writer) = std::io::pipe().map_err(broken)?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer.try_clone().map_err(broken)?)
        .stderr(writer)
        .spawn()
        .map_err(broken)?;
    command.stdout(Stdio::null()).stderr(Stdio::null()); // Lets go of the pipe's other end.
    let mut counts = Counts { nextest, ..Counts::default() };
    for line in BufReader::new(reader).lines() {
        let line = line.map_err(broken)?;
        println!("{line}");
        counts.add(&line);
    }
    Ok((counts, child.wait().map_err(broken)?.success()))
}

impl Counts {
    /// Adds a closing line of cargo test (`test result: ok. 3 passed; 0 failed; 1 ignored; …`) or
    /// of nextest (`Summary [ 1.2s] 3 tests run: 2 passed (1 slow), 1 failed, 1 skipped`).
    fn add(&mut self, line: &str) {
        let line = line.trim_start();
        let closing = if self.nextest { "Summary [" } else { "test result:" };
        if !line.starts_with(closing) {
            return;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        for pair in words.windows(2) {
            let Ok(number) = pair[0].parse::<usize>() else { continue };
            match pair[1].trim_end_matches([',', ';']) {
                "passed" => self.passed += number,
                "failed" | "timed" => self.failed += number,
                "ignored" | "skipped" => self.skipped += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_lines_of_both_runners_are_counted() {
        let lines = [
            "test result: FAILED. 3 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "     Summary [   1.234s] 6 tests run: 4 passed (1 slow), 2 failed, 1 skipped",
            "     PASS [   0.01s] a test that 9 passed",
        ];
        for (nextest, expected) in [(false, (3, 1, 2)), (true, (4, 2, 1))] {
            let mut counts = Counts { nextest, ..Counts::default() };
            lines.iter().for_each(|line| counts.add(line));
            assert_eq!((counts.passed, counts.failed, counts.skipped), expected);
        }
    }
}
