//! `waybill parked`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::services::{CommandApi, Projector};
use super::{answer, audit};
use crate::client::{BearerToken, Client};
use crate::outcome::{self, Outcome};
use crate::output::{Format, Output, Table, left, plain, right, text};

pub const HELP: &str = "\
Examples:
  # What could not be applied, and why; the exit code is 1 when there is anything
  waybill parked list

  # All that is known of one, with its events
  waybill parked show order-8971c9bb-11d6-41f2-9039-b5d18ab03b46

  # Try all again, after projectors of a new version are there
  waybill parked list --json | jq -r '.items[].stream' | xargs -n 1 waybill parked retry";

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    projector: Projector,
    #[command(flatten)]
    command_api: CommandApi,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Lists the streams that can't be applied
    List,
    /// Shows why a stream is parked, and its events
    Show {
        /// Such as order-8971c9bb-11d6-41f2-9039-b5d18ab03b46
        stream: String,
    },
    /// Tries a stream again from the log
    Retry {
        /// Such as order-8971c9bb-11d6-41f2-9039-b5d18ab03b46
        stream: String,
    },
}

impl Arguments {
    pub async fn run(self, token: &BearerToken) -> outcome::Result {
        let (projector, mut output) = (self.projector.client(token), self.format.output());
        match self.what {
            What::List => list(&projector, &mut output).await,
            What::Show { stream } => {
                show(&projector, &self.command_api.client(token), &stream, &mut output).await
            }
            What::Retry { stream } => retry(&projector, &stream, &mut output).await,
        }
    }
}

async fn notes(projector: &Client) -> kernel::Result<Vec<Value>> {
    let mut notes = projector.get("/parked").await?;
    match notes["items"].take() {
        Value::Array(items) => Ok(items),
        _ => Ok(vec![]),
    }
}

async fn list(projector: &Client, output: &mut Output) -> outcome::Result {
    let items = notes(projector).await?;
    match output.is_json() {
        true => output.document(&json!({ "items": items }))?,
        false => {
            let columns = [left("STREAM"), right("FROM VERSION"), left("SINCE"), left("REASON")];
            let mut table = Table::new(&columns);
            for note in &items {
                let [stream, at, why] = ["stream", "at", "reason"].map(|field| text(&note[field]));
                table.row([&stream, &note["version"], &at, &why]);
            }
            output.table(&table)?;
            output.line(format_args!("{} parked", items.len()))?;
        }
    }
    Ok(Outcome::well_if(items.is_empty()))
}

/// Shows everything that is known of a parked stream.
async fn show(
    projector: &Client,
    commands: &Client,
    stream: &str,
    output: &mut Output,
) -> outcome::Result {
    let items = notes(projector).await?;
    let note = items.into_iter().find(|note| note["stream"] == stream);
    let Some(note) = note else {
        match output.is_json() {
            true => output.document(&json!({ "stream": stream, "parked": false }))?,
            false => output.line(format_args!("{} is not parked", plain(stream)))?,
        }
        return Ok(Outcome::Found);
    };
    let id = stream.split_once('-').map_or(stream, |(_, id)| id);
    if output.is_json() {
        let events = audit::all(commands, id).await?;
        output.document(&json!({ "stream": stream, "parked": note, "events": events }))?;
        return Ok(Outcome::Well);
    }
    output.line(format_args!("{note:#}"))?;
    audit::print(commands, id, output).await
}

/// Tries a parked stream again; well when it is applied.
async fn retry(projector: &Client, stream: &str, output: &mut Output) -> outcome::Result {
    let path = format!("/parked/{}/retry", crate::client::encode(stream));
    let answer = projector.post(&path, &[], "").await?;
    answer::print(&answer, output, |told, output| match output.is_json() {
        true => output.document(told),
        false => output.line(format_args!("{} is applied", plain(stream))),
    })
}
