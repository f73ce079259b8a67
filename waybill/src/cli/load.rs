//! `waybill load`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use shared::service::shutdown;

use super::import::at_least_one;
use super::services::{CommandApi, QueryApi};
use crate::client::BearerToken;
use crate::load::{Plan, Report, percentile};
use crate::outcome::{self, Outcome};
use crate::output::{Format, Output, plain};

pub const HELP: &str = "\
Examples:
  # 10,000 commands, as fast as they are taken
  waybill load

  # A steady flow for two minutes, and how long orders take until queries show them
  waybill load --commands 60000 --rate 500 --probe

  # The same orders again and again: into a file, and from it
  waybill load --seed 7 --commands 1000 --out history.ndjson
  waybill import history.ndjson

  # The 99th percentile of the latency, in milliseconds
  waybill load --json | jq .latency_ms.p99";

#[derive(Debug, Args)]
pub struct Arguments {
    /// Commands to send
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    commands: usize,
    /// Commands per second; 0 is as fast as it goes
    #[arg(long, default_value_t = 0, value_name = "N")]
    rate: u32,
    /// Clients at a time, each busy with one order
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = at_least_one)]
    clients: usize,
    /// The same seed makes the same orders; drawn by chance when it is left out
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Tells as well how long orders take until queries show them
    #[arg(long, conflicts_with = "out")]
    probe: bool,
    /// Writes the commands to this file, as NDJSON, instead of sending them
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    command_api: CommandApi,
    #[command(flatten)]
    query_api: QueryApi,
}

impl Arguments {
    pub async fn run(self, token: &BearerToken) -> outcome::Result {
        let Self { commands, rate, clients, format, .. } = self;
        let seed = self.seed.unwrap_or_else(rand::random);
        let plan = Plan { commands, rate, clients, seed: Some(seed), stop: shutdown::on_signal() };
        let mut output = format.output();
        if let Some(file) = &self.out {
            plan.write(file)?;
            match output.is_json() {
                true => output.document(&json!({ "file": file, "seed": seed }))?,
                false => output.line(format_args!("{} is written, seed {seed}", file.display()))?,
            }
            return Ok(Outcome::Well);
        }
        let client = self.command_api.client(token);
        if !output.is_json() {
            output.line(format_args!(
                "Sending {commands} commands to {} from {clients} clients, seed {seed}.",
                client.base()
            ))?;
        }
        let report = plan.run(&client, self.probe.then(|| self.query_api.client(token))).await?;
        match output.is_json() {
            true => output.document(&document(&report, seed))?,
            false => print(&report, &mut output)?,
        }
        let is_done = report.acknowledged + report.all_refused() >= commands;
        Ok(match is_done {
            true => Outcome::well_if(report.all_refused() == 0),
            false => Outcome::Stopped,
        })
    }
}

fn latency(micros: &[u32]) -> [f64; 3] {
    [50, 99, 100].map(|percent| percentile(micros, percent))
}

fn document(report: &Report, seed: u64) -> serde_json::Value {
    let milliseconds = |micros: &[u32]| {
        let [p50, p99, max] = latency(micros);
        json!({ "p50": p50, "p99": p99, "max": max })
    };
    json!({
        "seed": seed,
        "acknowledged": report.acknowledged,
        "seconds": report.took.as_secs_f64(),
        "per_second": report.per_second(),
        "latency_ms": milliseconds(&report.micros),
        "repeated": report.repeated,
        "refused": report.refused,
        "visible_ms": report.visible.as_deref().map(milliseconds),
        "probes": report.visible.as_ref().map(Vec::len),
    })
}

fn print(report: &Report, output: &mut Output) -> std::io::Result<()> {
    let (acknowledged, seconds) = (report.acknowledged, report.took.as_secs_f64());
    let rate = report.per_second();
    output.line(format_args!(
        "acknowledged  {acknowledged} in {seconds:.1} s: {rate:.0} per second"
    ))?;
    let [p50, p99, max] = latency(&report.micros);
    output.line(format_args!("latency       p50 {p50:.1} ms, p99 {p99:.1} ms, max {max:.1} ms"))?;
    output.line(format_args!("repeated      {}", report.repeated))?;
    output.line(format_args!("refused       {}", report.all_refused()))?;
    for (rule, count) in &report.refused {
        output.line(format_args!("  {}: {count}", plain(rule)))?;
    }
    if let Some(visible) = &report.visible {
        let ([p50, p99, max], count) = (latency(visible), visible.len());
        output.line(format_args!(
            "visible       p50 {p50:.1} ms, p99 {p99:.1} ms, max {max:.1} ms after the POST ({count} probes)"
        ))?;
    }
    Ok(())
}
