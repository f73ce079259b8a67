//! `waybill dead-letters`.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::services::Projector;
use super::{answer, facts};
use crate::client::{BearerToken, Client, encode};
use crate::outcome::{self, Outcome};
use crate::output::{Format, Output, Table, left, plain, right, text};

pub const HELP: &str = "\
Examples:
  # What arrived and is no event, the oldest 1,000; the exit code is 1 when there is anything
  waybill dead-letters list

  # The bytes of one, and then away with it
  waybill dead-letters show 019ad7c2-6f5e-7c1b-8d0e-2f1c5a7b9e33
  waybill dead-letters discard 019ad7c2-6f5e-7c1b-8d0e-2f1c5a7b9e33

  # By the queue in which they arrived
  waybill dead-letters list --json | jq '[.items[].queue] | group_by(.) | map({(.[0]): length})'";

const LIST: &str = "\
Examples:
  # The oldest 1,000; the exit code is 1 when there is any
  waybill dead-letters list

  # Why they are no events
  waybill dead-letters list --json | jq -r '.items[].reason'";

const SHOW: &str = "\
Examples:
  waybill dead-letters show 019ad7c2-6f5e-7c1b-8d0e-2f1c5a7b9e33

  # What arrived, where it is text
  waybill dead-letters show 019ad7c2-6f5e-7c1b-8d0e-2f1c5a7b9e33 --json | jq -r .text";

const DISCARD: &str = "\
Examples:
  # The exit code is 1 when there is none by this id
  waybill dead-letters discard 019ad7c2-6f5e-7c1b-8d0e-2f1c5a7b9e33";

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
    /// Lists the oldest of them, and why they are no events
    #[command(after_help = LIST)]
    List,
    /// Shows one with its bytes, up to 8 MiB
    #[command(after_help = SHOW)]
    Show {
        /// As `dead-letters list` tells it
        id: String,
    },
    /// Removes one for good
    #[command(after_help = DISCARD)]
    Discard {
        /// As `dead-letters list` tells it
        id: String,
    },
}

impl Arguments {
    pub async fn run(self, token: &BearerToken) -> outcome::Result {
        let (projector, mut output) = (self.projector.client(token), self.format.output());
        match self.what {
            What::List => list(&projector, &mut output).await,
            What::Show { id } => show(&projector, &id, &mut output).await,
            What::Discard { id } => discard(&projector, &id, &mut output).await,
        }
    }
}

/// Lists the oldest; well when there are none.
async fn list(projector: &Client, output: &mut Output) -> outcome::Result {
    let page = projector.get("/dead-letters?limit=1000").await?;
    let items = page["items"].as_array().cloned().unwrap_or_default();
    let total = page["total"].as_u64().unwrap_or_default();
    if output.is_json() {
        output.document(&json!({ "items": items, "total": total }))?;
        return Ok(Outcome::well_if(total == 0));
    }
    let columns = [left("ID"), left("AT"), right("BYTES"), left("QUEUE"), left("REASON")];
    let mut table = Table::new(&columns);
    for one in &items {
        let [id, at, queue, why] = ["id", "at", "queue", "reason"].map(|field| text(&one[field]));
        table.row([&id, &at, &one["bytes"], &queue, &why]);
    }
    output.table(&table)?;
    let shown = u64::try_from(items.len()).unwrap_or(u64::MAX);
    match shown < total {
        true => output.line(format_args!("{total} dead letters; these are the oldest {shown}"))?,
        false => output.line(format_args!("{total} dead letters"))?,
    }
    Ok(Outcome::well_if(total == 0))
}

/// Shows one with its bytes; well when it is there.
async fn show(projector: &Client, id: &str, output: &mut Output) -> outcome::Result {
    let path = format!("/dead-letters/{}", encode(id));
    let answer = projector.send(Method::GET, &path, &[], "").await?;
    answer::print(&answer, output, |told, output| match output.is_json() {
        true => output.document(told),
        false => {
            output.facts("", &facts::of(told, &FACTS))?;
            output.line("")?;
            content(told).iter().try_for_each(|line| output.line(line))
        }
    })
}

/// What is told of a dead letter beside its bytes, each on a line of its own.
const FACTS: [(&str, &str); 6] = [
    ("id", "id"),
    ("at", "at"),
    ("bytes", "bytes"),
    ("not shown", "left_out"),
    ("queue", "queue"),
    ("reason", "reason"),
];
/// Hexadecimal digits on a line: 32 bytes.
const DIGITS: usize = 64;

/// Its bytes: its lines, where they are text, else as hexadecimal digits.
fn content(told: &Value) -> Vec<String> {
    match (told["text"].as_str(), told["hex"].as_str()) {
        (Some(text), _) => text.lines().map(plain).collect(),
        (None, Some(hex)) => {
            let lines = hex.as_bytes().chunks(DIGITS);
            lines.map(|line| plain(&String::from_utf8_lossy(line))).collect()
        }
        (None, None) => vec![],
    }
}

/// Removes one for good; well when it was there.
async fn discard(projector: &Client, id: &str, output: &mut Output) -> outcome::Result {
    let path = format!("/dead-letters/{}", encode(id));
    let answer = projector.send(Method::DELETE, &path, &[], "").await?;
    answer::print(&answer, output, |_, output| match output.is_json() {
        true => output.document(&json!({ "id": id, "discarded": true })),
        false => output.line(format_args!("{} is discarded", plain(id))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_dead_letter_are_lines_of_text_or_of_digits() {
        let text = json!({ "text": "{\r\n  \"a\": \u{1b}[2J\n}" });
        assert_eq!(content(&text), ["{", "  \"a\": \u{fffd}[2J", "}"]);
        let hex = json!({ "hex": "ff".repeat(33) });
        assert_eq!(content(&hex), ["ff".repeat(32), "ff".to_owned()]);
        assert_eq!(content(&json!({ "text": "" })), [""; 0]);
    }
}
