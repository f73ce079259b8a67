//! `waybill audit --operations`.

use std::path::PathBuf;

use clap::Args;
use kernel::Failure;
use serde_json::{Value, json};
use shared::auth::token_file::{TokenChange, TokenFile};

use crate::client::Client;
use crate::outcome::{self, Error, Outcome};
use crate::output::{BAD, CARE, Output, Table, left, say, text};

/// Acts that one answer of a projector has at most.
const PAGE: usize = 1_000;

#[derive(Debug, Args)]
pub struct Options {
    /// Prints what operators did, newest first, in place of an order
    #[arg(long)]
    operations: bool,
    /// Of the newest so many, up to 100000
    #[arg(long, conflicts_with = "order", default_value_t = 1_000, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// The file of tokens whose changes are shown, too [default: WAYBILL_TOKENS_FILE]
    #[arg(long, conflicts_with = "order", value_name = "FILE")]
    tokens_file: Option<PathBuf>,
}

impl Options {
    /// Prints the newest acts of the services and changes of tokens, newest first.
    pub async fn print(&self, projector: &Client, output: &mut Output) -> outcome::Result {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let changes = self.changes(output)?;
        let (mut acts, mut more) = newest(projector, limit).await?;
        acts.extend(changes);
        // Times are texts of one width, so they sort as times do. Of one time, acts keep their order.
        acts.sort_by(|one, other| other["at"].as_str().cmp(&one["at"].as_str()));
        more |= acts.len() > limit;
        acts.truncate(limit);
        if output.is_json() {
            for act in &acts {
                output.document(act)?;
            }
            return Ok(Outcome::Well);
        }
        output.table(&table(&acts))?;
        match more {
            true => output.line(format_args!("the newest {limit} acts; --limit shows more"))?,
            false if acts.len() == 1 => output.line("1 act")?,
            false => output.line(format_args!("{} acts", acts.len()))?,
        }
        Ok(Outcome::Well)
    }

    /// Changes of the file of tokens, newest first, where one is named.
    fn changes(&self, output: &Output) -> Result<Vec<Value>, Error> {
        let from_environment = || std::env::var_os("WAYBILL_TOKENS_FILE").map(PathBuf::from);
        let Some(file) = self.tokens_file.clone().or_else(from_environment) else {
            if !output.is_json() {
                say("Changes of tokens are not among them: name the file by --tokens-file.");
            }
            return Ok(vec![]);
        };
        let broken = |why| Error::Failed(Failure::permanent("the file of tokens", why));
        let changes = TokenFile::read(&file).map_err(broken)?.changes;
        Ok(changes.iter().rev().map(act).collect())
    }
}

/// As `GET /operations` tells an act; a change of a token was carried out when it was recorded.
fn act(change: &TokenChange) -> Value {
    let outcome = json!({ "result": "done", "detail": change.detail, "at": change.at });
    json!({
        "id": null, "at": change.at, "actor": change.actor, "service": "waybill", "act": change.act,
        "subject": change.token, "outcome": outcome,
    })
}

/// The newest acts of the services, newest first, and whether there are others.
async fn newest(projector: &Client, limit: usize) -> kernel::Result<(Vec<Value>, bool)> {
    let (mut acts, mut cursor) = (vec![], String::new());
    loop {
        let page = (limit - acts.len()).min(PAGE);
        let mut page = projector.get(&format!("/operations?limit={page}{cursor}")).await?;
        match page["items"].take() {
            Value::Array(items) => acts.extend(items),
            _ => return Err(Failure::permanent("GET /operations", "expected `items`")),
        }
        match page["next"].as_str() {
            Some(next) if acts.len() < limit => cursor = format!("&cursor={next}"),
            next => return Ok((acts, next.is_some())),
        }
    }
}

fn table(acts: &[Value]) -> Table {
    let columns = ["AT", "ACTOR", "ACT", "SUBJECT", "OUTCOME", "DETAIL"].map(left);
    let (mut table, plain) = (Table::new(&columns), anstyle::Style::new());
    for one in acts {
        let [at, actor, act, subject] =
            ["at", "actor", "act", "subject"].map(|field| text(&one[field]));
        let (result, detail, style) = match &one["outcome"] {
            Value::Null => ("begun".to_owned(), String::new(), CARE),
            outcome => {
                let style = if outcome["result"] == "failed" { BAD } else { plain };
                (text(&outcome["result"]), text(&outcome["detail"]), style)
            }
        };
        table.styled([
            (&at, plain),
            (&actor, plain),
            (&act, plain),
            (&subject, plain),
            (&result, style),
            (&detail, plain),
        ]);
    }
    table
}
