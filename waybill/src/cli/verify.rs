//! `waybill verify`.

use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::services::{CommandApi, QueryApi};
use crate::client::BearerToken;
use crate::outcome::{self, Outcome};
use crate::output::{BAD, Format, GOOD, Output, plain};
use crate::verify::{Report, check_with_progress};

pub const HELP: &str = "\
Examples:
  waybill verify

  # In a script: exit code 0 when every view equals a fold of the log, 1 when any differs or is
  # behind, 3 when a service did not answer
  waybill verify --wait 120 --json > report.json || jq -r '.differences[]' report.json

The whole log is read and held in memory.";

/// Differences printed; the rest is counted.
const PRINTED: usize = 20;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Seconds to wait for the views to catch up with the log
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    wait: u64,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    command_api: CommandApi,
    #[command(flatten)]
    query_api: QueryApi,
}

impl Arguments {
    pub async fn run(self, token: &BearerToken) -> outcome::Result {
        let (commands, queries) = (self.command_api.client(token), self.query_api.client(token));
        let wait = Duration::from_secs(self.wait.min(86_400));
        let report = check_with_progress(&commands, &queries, wait).await?;
        let mut output = self.format.output();
        match output.is_json() {
            true => output.document(&json!({
                "commits": report.commits,
                "orders": report.orders,
                "quiet": report.quiet,
                "behind": report.behind,
                "differences": report.differences,
            }))?,
            false => print(&report, wait, &mut output)?,
        }
        Ok(Outcome::well_if(report.differences.is_empty() && report.behind == 0))
    }
}

fn print(report: &Report, wait: Duration, output: &mut Output) -> std::io::Result<()> {
    for difference in report.differences.iter().take(PRINTED) {
        output.line(format_args!("{BAD}differs{BAD:#}: {}", plain(difference)))?;
    }
    if report.differences.len() > PRINTED {
        output.line(format_args!("… and {} more", report.differences.len() - PRINTED))?;
    }
    let what = match report.quiet {
        true => "orders, lists, customers, days, products and totals",
        false => "orders only, each at its view's version: the system was not quiet",
    };
    let Report { commits, orders, behind, .. } = report;
    output.line(format_args!("{commits} commits, {orders} orders; compared {what}."))?;
    if *behind > 0 {
        let wait = wait.as_secs();
        output.line(format_args!("{behind} orders were not caught up with after {wait} s"))?;
    }
    match (report.differences.len(), report.quiet) {
        (0, true) => {
            output.line(format_args!("{GOOD}clean{GOOD:#}: every view equals a fold of the log"))
        }
        (0, false) => output.line("clean so far: every order that was compared equals its fold"),
        (count, _) => output.line(format_args!("{count} differences")),
    }
}
