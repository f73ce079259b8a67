//! `waybill audit`.

mod operations;

use clap::Args;
use http::Method;
use serde_json::Value;

use super::services::{CommandApi, Projector};
use super::{answer, facts};
use crate::client::{BearerToken, Client, Response, encode};
use crate::outcome::{self, Outcome};
use crate::output::{BOLD, FAINT, Format, Output, plain, text};

pub const HELP: &str = "\
Examples:
  waybill audit 8971c9bb-11d6-41f2-9039-b5d18ab03b46

  # When the order was shipped: with --json there is one CloudEvent on each line
  waybill audit 8971c9bb-11d6-41f2-9039-b5d18ab03b46 --json |
    jq -r 'select(.type == \"waybill.ProductShipped\").time'

  # What operators did, newest first, and who made and revoked tokens
  waybill audit --operations --tokens-file tokens.json

  # Acts that were begun, and of which it is not known whether they were carried out
  waybill audit --operations --json | jq 'select(.outcome == null)'";

#[derive(Debug, Args)]
pub struct Arguments {
    /// The id of the order
    #[arg(required_unless_present = "operations", conflicts_with = "operations")]
    order: Option<String>,
    #[command(flatten)]
    operations: operations::Options,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    command_api: CommandApi,
    #[command(flatten)]
    projector: Projector,
}

impl Arguments {
    pub async fn run(self, token: &BearerToken) -> outcome::Result {
        let mut output = self.format.output();
        match &self.order {
            Some(order) => print(&self.command_api.client(token), order, &mut output).await,
            None => self.operations.print(&self.projector.client(token), &mut output).await,
        }
    }
}

/// The events of an order, a page at a time.
struct Pages<'a> {
    commands: &'a Client,
    order: &'a str,
    after: Value,
}

enum Page {
    Events(Vec<Value>),
    Refused(Response),
}

impl<'a> Pages<'a> {
    fn new(commands: &'a Client, order: &'a str) -> Self {
        Self { commands, order, after: Value::from(0) }
    }

    /// The next page; none at the end.
    async fn next(&mut self) -> kernel::Result<Option<Page>> {
        if self.after.is_null() {
            return Ok(None);
        }
        let path = format!("/orders/{}/events?after={}", encode(self.order), self.after);
        let answer = self.commands.send(Method::GET, &path, &[], "").await?;
        if !answer.status.is_success() {
            self.after = Value::Null;
            return Ok(Some(Page::Refused(answer)));
        }
        let mut page = answer.json()?;
        self.after = page["next"].take();
        match page["events"].take() {
            Value::Array(events) => Ok(Some(Page::Events(events))),
            _ => Ok(None),
        }
    }
}

/// All events of an order; none where they are refused.
pub async fn all(commands: &Client, order: &str) -> kernel::Result<Vec<Value>> {
    let (mut pages, mut events) = (Pages::new(commands, order), vec![]);
    while let Some(Page::Events(page)) = pages.next().await? {
        events.extend(page);
    }
    Ok(events)
}

/// Prints the events of an order as they are read.
pub async fn print(commands: &Client, order: &str, output: &mut Output) -> outcome::Result {
    let (mut pages, mut currency) = (Pages::new(commands, order), None);
    while let Some(page) = pages.next().await? {
        let events = match page {
            Page::Events(events) => events,
            Page::Refused(answer) => return answer::refused(&answer, output),
        };
        for event in &events {
            match output.is_json() {
                true => output.document(event)?,
                false => {
                    // Of all amounts of the order; the first event tells it.
                    currency = event["data"]["currency"].as_str().map(plain).or(currency);
                    show(event, currency.as_deref(), output)?;
                }
            }
        }
    }
    Ok(Outcome::Well)
}

fn show(event: &Value, currency: Option<&str>, output: &mut Output) -> std::io::Result<()> {
    let number = |field: &str| text(&event[field]).trim_start_matches('0').to_owned();
    let actor = event["actor"].as_str().map(|actor| format!(", by {}", plain(actor)));
    output.line(format_args!(
        "{:>4}  {}  {BOLD}{}{BOLD:#}  {FAINT}at position {}, correlation {}{}{FAINT:#}",
        number("sequence"),
        text(&event["time"]),
        text(&event["type"]),
        number("position"),
        text(&event["correlationid"]),
        actor.unwrap_or_default(),
    ))?;
    output.facts("      ", &facts::members(&event["data"], currency))
}
