//! `waybill log`.

use clap::{Args, Subcommand};

use super::answer;
use super::services::Projector;
use crate::client::BearerToken;
use crate::outcome;
use crate::output::{Format, text};

pub const HELP: &str = "\
Examples:
  # After a backup of the log was restored, before any service writes to it
  waybill log renew

docs/reference/restoring.md has all steps.";

const RENEW: &str = "\
Examples:
  waybill log renew

  # The new identity, for programs
  waybill log renew --json | jq -r .log";

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    projector: Projector,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Gives a log that was restored from a backup a new identity: cursors and tokens of what it
    /// held before are turned away, and the views are made again
    #[command(after_help = RENEW)]
    Renew,
}

impl Arguments {
    pub async fn run(self, token: &BearerToken) -> outcome::Result {
        let (What::Renew, mut output) = (self.what, self.format.output());
        let answer = self.projector.client(token).post("/log/renew", &[], "").await?;
        answer::print(&answer, &mut output, |told, output| match output.is_json() {
            true => output.document(told),
            false => output.line(format_args!(
                "The log is {} now; its views are being made again.",
                text(&told["log"])
            )),
        })
    }
}
