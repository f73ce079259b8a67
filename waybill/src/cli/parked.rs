//! `waybill parked`.

use clap::{Args, Subcommand};
use kernel::Failure;
use serde_json::{Value, json};

use super::services::{CommandApi, Projector};
use super::{answer, audit, facts};
use crate::client::{BearerToken, Client, encode};
use crate::outcome::{self, Outcome};
use crate::output::{Format, Output, Table, left, plain, right, text};

/// Notes that one answer of a projector has at most.
const PAGE: usize = 1_000;
/// Notes that are read to find one.
const FEW: usize = 20;

pub const HELP: &str = "\
Examples:
  # What could not be applied, and why, the first 1,000; the exit code is 1 when there is anything
  waybill parked list

  # All that is known of one, with its events
  waybill parked show order-8971c9bb-11d6-41f2-9039-b5d18ab03b46

  # Try all again, after projectors of a new version are there
  waybill parked list --limit 100000 --json | jq -r '.items[].stream' | xargs -n 1 waybill parked retry";

const LIST: &str = "\
Examples:
  # The first 1,000 by their names; the exit code is 1 when there is any
  waybill parked list

  # Why, and how many for each reason
  waybill parked list --limit 100000 --json | jq -r '.items[].reason' | sort | uniq -c";

const SHOW: &str = "\
Examples:
  waybill parked show order-8971c9bb-11d6-41f2-9039-b5d18ab03b46

  # Why, for programs
  waybill parked show order-8971c9bb-11d6-41f2-9039-b5d18ab03b46 --json | jq -r .parked.reason";

const RETRY: &str = "\
Examples:
  # The exit code is 1 when it can't be applied still
  waybill parked retry order-8971c9bb-11d6-41f2-9039-b5d18ab03b46";

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
    #[command(after_help = LIST)]
    List {
        /// The first so many by their names, up to 100000
        #[arg(long, default_value_t = 1_000, value_name = "N",
            value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// Shows why a stream is parked, and its events
    #[command(after_help = SHOW)]
    Show {
        /// Such as order-8971c9bb-11d6-41f2-9039-b5d18ab03b46
        stream: String,
    },
    /// Tries a stream again from the log
    #[command(after_help = RETRY)]
    Retry {
        /// Such as order-8971c9bb-11d6-41f2-9039-b5d18ab03b46
        stream: String,
    },
}

impl Arguments {
    pub async fn run(self, token: &BearerToken) -> outcome::Result {
        let (projector, mut output) = (self.projector.client(token), self.format.output());
        match self.what {
            What::List { limit } => list(&projector, limit, &mut output).await,
            What::Show { stream } => {
                show(&projector, &self.command_api.client(token), &stream, &mut output).await
            }
            What::Retry { stream } => retry(&projector, &stream, &mut output).await,
        }
    }
}

/// Reads the notes page by page, by the names of their streams.
struct Notes<'a> {
    projector: &'a Client,
    /// The `cursor` of the next page; `None` at the end.
    cursor: Option<String>,
    /// How many there are in all, as the last page tells.
    total: u64,
}

impl<'a> Notes<'a> {
    fn of(projector: &'a Client) -> Self {
        Self { projector, cursor: Some(String::new()), total: 0 }
    }

    /// The next notes, up to `limit` and `PAGE`; `None` at the end.
    async fn next(&mut self, limit: usize) -> kernel::Result<Option<Vec<Value>>> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let path = format!("/parked?limit={}&cursor={}", limit.min(PAGE), encode(cursor));
        let mut page = self.projector.get(&path).await?;
        self.total = page["total"].as_u64().unwrap_or_default();
        self.cursor = page["next"].as_str().map(str::to_owned);
        match page["items"].take() {
            Value::Array(items) => Ok(Some(items)),
            _ => Err(Failure::permanent("GET /parked", "expected `items`")),
        }
    }
}

/// Lists the first by their names; well when there are none.
async fn list(projector: &Client, limit: u32, output: &mut Output) -> outcome::Result {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut notes, mut items) = (Notes::of(projector), vec![]);
    while items.len() < limit
        && let Some(page) = notes.next(limit - items.len()).await?
    {
        items.extend(page);
    }
    let total = notes.total;
    match output.is_json() {
        true => output.document(&json!({ "items": items, "total": total }))?,
        false => {
            let columns = [left("STREAM"), right("FROM VERSION"), left("SINCE"), left("REASON")];
            let mut table = Table::new(&columns);
            for note in &items {
                let [stream, at, why] = ["stream", "at", "reason"].map(|field| text(&note[field]));
                table.row([&stream, &note["version"], &at, &why]);
            }
            output.table(&table)?;
            match notes.cursor {
                Some(_) => output.line(format_args!(
                    "{total} parked; these are the first {}, --limit shows more",
                    items.len()
                ))?,
                None => output.line(format_args!("{total} parked"))?,
            }
        }
    }
    Ok(Outcome::well_if(items.is_empty()))
}

/// The note of one stream. They come by the bytes of the streams' names: it is looked for from just
/// before its place on.
async fn find(projector: &Client, stream: &str) -> kernel::Result<Option<Value>> {
    let mut before = stream.to_owned();
    before.pop();
    let mut notes = Notes { cursor: Some(before), ..Notes::of(projector) };
    while let Some(page) = notes.next(FEW).await? {
        if let Some(note) = page.into_iter().find(|note| note["stream"].as_str() >= Some(stream)) {
            return Ok(Some(note).filter(|note| note["stream"] == stream));
        }
    }
    Ok(None)
}

/// What is told of a parked stream, each on a line of its own.
const NOTE: [(&str, &str); 7] = [
    ("stream", "stream"),
    ("from version", "version"),
    ("let go up to", "let_go"),
    ("since", "at"),
    ("reason", "reason"),
    ("build", "build"),
    ("projection", "projection"),
];

/// A note as text. Where nothing was let go, or no build is named, that is left out.
fn told(note: &Value) -> Vec<(&'static str, String)> {
    let mut told = facts::of(note, &NOTE);
    told.retain(|(_, told)| !["", "0"].contains(&told.as_str()));
    told
}

/// Shows everything that is known of a parked stream.
async fn show(
    projector: &Client,
    commands: &Client,
    stream: &str,
    output: &mut Output,
) -> outcome::Result {
    let Some(note) = find(projector, stream).await? else {
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
    output.facts("", &told(&note))?;
    output.line("")?;
    audit::print(commands, id, output).await
}

/// Tries a parked stream again; well when it is applied.
async fn retry(projector: &Client, stream: &str, output: &mut Output) -> outcome::Result {
    let path = format!("/parked/{}/retry", encode(stream));
    let answer = projector.post(&path, &[], "").await?;
    answer::print(&answer, output, |told, output| match output.is_json() {
        true => output.document(told),
        false => output.line(format_args!("{} is applied", plain(stream))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_told_as_text_without_what_says_nothing() {
        let mut note = json!({
            "stream": "order-7", "version": 2, "reason": "unknown\u{1b}", "projection": 3,
            "build": "0.1.0", "at": "2026-01-02T03:04:05.000Z", "let_go": 4,
        });
        let expected = [
            ("stream", "order-7"),
            ("from version", "2"),
            ("let go up to", "4"),
            ("since", "2026-01-02T03:04:05.000Z"),
            ("reason", "unknown\u{fffd}"),
            ("build", "0.1.0"),
            ("projection", "3"),
        ]
        .map(|(name, told)| (name, told.to_owned()));
        assert_eq!(told(&note), expected);
        note["let_go"] = json!(0);
        note["build"] = json!("");
        let names: Vec<&str> = told(&note).iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["stream", "from version", "since", "reason", "projection"]);
    }
}
