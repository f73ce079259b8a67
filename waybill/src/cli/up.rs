//! `waybill up`.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use shared::service::process;

use crate::output::{Format, Output};
use crate::up::{Addresses, Config, up};

pub const HELP: &str = "\
Examples:
  # Serve on the default ports, with the log in ./data
  waybill

  # Another folder and other ports
  WAYBILL_DATA_DIR=/var/lib/waybill WAYBILL_COMMAND_LISTEN=127.0.0.1:9080 waybill up

Exit codes:
  0  stopped by Ctrl-C or SIGTERM
  1  it failed
  2  the configuration is wrong, or an address cannot be listened on

docs/reference/configuration.md lists all variables.";

/// It is configured by variables alone.
#[derive(Debug, Default, Args)]
pub struct Arguments {
    /// Prints the addresses as JSON, for programs, in place of text
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub async fn run(self) -> ExitCode {
        let format = Format { json: self.json };
        let tell = |data: &Path, addresses| print(data, addresses, &mut format.output());
        process::run(Config::read, |config, stop| up(config, stop, tell)).await
    }
}

fn print(data: &Path, addresses: Addresses, output: &mut Output) -> std::io::Result<()> {
    let Addresses { scheme, command, query, projector } = addresses;
    if output.is_json() {
        return output.document(&json!({
            "command_api": format!("{scheme}://{command}"),
            "query_api": format!("{scheme}://{query}"),
            "projector": format!("{scheme}://{projector}"),
            "data": data.display().to_string(),
        }));
    }
    output
        .line(format_args!("Waybill is up, in one process; its log is in {}.", data.display()))?;
    output.line(format_args!("  dashboard    {scheme}://{query}/"))?;
    output.line(format_args!("  commands     {scheme}://{command}/orders"))?;
    output.line(format_args!("  queries      {scheme}://{query}/orders"))?;
    output.line(format_args!("  operations   {scheme}://{projector}/generations"))?;
    output.line("Ctrl-C stops it.")
}
