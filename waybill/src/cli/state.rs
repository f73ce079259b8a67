//! `waybill state`.

use clap::Args;
use http::Method;

use super::answer;
use super::services::CommandApi;
use crate::client::{BearerToken, encode};
use crate::outcome;
use crate::output::Format;

pub const HELP: &str = "\
Examples:
  # As it is in the log, without waiting for any view
  waybill state 8971c9bb-11d6-41f2-9039-b5d18ab03b46

  # As it was
  waybill state 8971c9bb-11d6-41f2-9039-b5d18ab03b46 --version 2
  waybill state 8971c9bb-11d6-41f2-9039-b5d18ab03b46 --at 2026-01-02T03:04:05+01:00";

#[derive(Debug, Args)]
pub struct Arguments {
    /// The id of the order
    order: String,
    /// As it was at this version, from 1
    #[arg(long, conflicts_with = "at", value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    version: Option<i64>,
    /// As it was at this time: RFC 3339, such as 2026-01-02T03:04:05Z
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    command_api: CommandApi,
}

impl Arguments {
    pub async fn run(self, token: &BearerToken) -> outcome::Result {
        let until = match (self.version, &self.at) {
            (Some(version), _) => format!("?version={version}"),
            (None, Some(at)) => format!("?at={}", encode(at)),
            (None, None) => String::new(),
        };
        let path = format!("/orders/{}/state{until}", encode(&self.order));
        let client = self.command_api.client(token);
        let answer = client.send(Method::GET, &path, &[], "").await?;
        answer::print(&answer, &mut self.format.output(), |state, output| match output.is_json() {
            true => output.document(state),
            false => output.line(format_args!("{state:#}")),
        })
    }
}
