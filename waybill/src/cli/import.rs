//! `waybill import`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use shared::service::shutdown;

use super::services::CommandApi;
use crate::client::BearerToken;
use crate::import::{Import, Report};
use crate::outcome::{self, Outcome};
use crate::output::{CARE, Format, Output, plain};

pub const HELP: &str = "\
Examples:
  # The history of 500 commands that comes with the source
  waybill import examples/orders.ndjson

  # A table, to a system elsewhere, with more requests under way at a time
  waybill import history.csv --concurrency 16 --command-api http://10.0.0.7:8080

  # How many commands were refused, by the type of the problem
  waybill import history.ndjson --json | jq .refused

A stopped import continues where it was: run the same command again. Each refused line is in
FILE.refused.ndjson with its reason. The exit code is 1 when any was refused.";

#[derive(Debug, Args)]
pub struct Arguments {
    /// One command on each line (NDJSON), or a table (CSV): see docs/reference/import.md
    file: PathBuf,
    /// Requests under way at a time
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = at_least_one)]
    concurrency: usize,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    command_api: CommandApi,
}

/// Reads how many things are done at a time.
pub fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=10_000).contains(number));
    number.ok_or_else(|| "expected an integer from 1 to 10000".to_owned())
}

impl Arguments {
    pub async fn run(self, token: &BearerToken) -> outcome::Result {
        let Self { file, concurrency, format, command_api } = self;
        let import = Import { file, concurrency, stop: shutdown::on_signal() };
        let report = import.import(&command_api.client(token)).await?;
        let stopped = import.stop.is_cancelled() && !report.is_complete;
        print(&import, &report, stopped, &mut format.output())?;
        match stopped {
            true => Ok(Outcome::Stopped),
            false => Ok(Outcome::well_if(report.all_refused() == 0)),
        }
    }
}

fn print(
    import: &Import,
    report: &Report,
    stopped: bool,
    output: &mut Output,
) -> std::io::Result<()> {
    let refused = report.all_refused();
    let notes = import.refused_file();
    let accepted_before = report.skipped - report.refused_before;
    let accepted = report.accepted + accepted_before;
    if output.is_json() {
        return output.document(&json!({
            "accepted": accepted,
            "accepted_before": accepted_before,
            "refused": report.refused,
            "refused_before": report.refused_before,
            "refused_file": (refused > 0).then(|| notes.display().to_string()),
            "stopped": stopped,
        }));
    }
    output
        .line(format_args!("accepted  {accepted} ({accepted_before} of them in an earlier run)"))?;
    output.line(format_args!("refused   {refused}"))?;
    for (kind, count) in &report.refused {
        output.line(format_args!("  {CARE}{}{CARE:#}: {count}", plain(kind)))?;
    }
    if refused > 0 {
        let notes = notes.display();
        output.line(format_args!("Each refused line, with its reason, is in {notes}."))?;
    }
    if stopped {
        output.line("Stopped; the same command goes on from here.")?;
    }
    Ok(())
}
