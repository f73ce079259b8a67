//! `waybill import`: sends a history through `POST /commands`.
//!
//! Commands of one order keep their sequence; orders go side by side. The file's lines that are
//! done are kept in `<file>.progress`, so that a stopped import goes on where it was; each line has
//! an idempotency key, so that a line sent twice counts once.

mod partitions;
pub mod rows;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use kernel::{Failure, Result};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use self::partitions::send;
use self::rows::{Row, rows};
use crate::client::Client;
use crate::progress;

/// Rows read, sent and noted as done together.
const CHUNK: usize = 4_000;

/// What to import, and how.
pub struct Import {
    /// CSV: see `docs/reference/import.md`.
    pub file: PathBuf,
    /// Requests under way at a time.
    pub concurrency: usize,
    /// Ends the import after the rows that are being sent.
    pub stop: CancellationToken,
}

/// What became of the file's commands.
#[derive(Debug, Default)]
pub struct Report {
    /// Rows of this run whose command was accepted.
    pub accepted: usize,
    /// Rows that an earlier run of the same import has dealt with.
    pub skipped: usize,
    /// Of those, what was refused.
    pub refused_before: usize,
    /// By type of problem.
    pub refused: BTreeMap<String, usize>,
    /// Whether every row of the file is dealt with.
    pub is_complete: bool,
}

impl Report {
    /// Rows whose command was refused, in this run or an earlier one.
    pub fn all_refused(&self) -> usize {
        self.refused.values().sum::<usize>() + self.refused_before
    }
}

impl Import {
    /// Imports the file, from where an earlier run stopped.
    pub async fn import(&self, client: &Client) -> Result<Report> {
        let what = format!("importing {}", self.file.display());
        let broken = |error: std::io::Error| Failure::permanent(&what, error);
        let total = rows(&self.file)?.count();
        let (done, refused_before) = read_progress(&self.beside("progress"));
        let mut refused = open(&self.beside("refused.ndjson"), done > 0).map_err(broken)?;
        let mut report = Report { skipped: done, refused_before, ..Report::default() };
        let bar = progress::bar(total);
        bar.set_position(done as u64);
        let mut rows = rows(&self.file)?.skip(done).peekable();
        let mut at = done;
        while rows.peek().is_some() && !self.stop.is_cancelled() {
            let chunk: Vec<Row> = rows.by_ref().take(CHUNK).collect();
            at += chunk.len();
            for (row, result) in send(client, &self.name(), chunk, self.concurrency, &bar).await? {
                if result["status"].as_u64().is_some_and(|status| status < 300) {
                    report.accepted += 1;
                    continue;
                }
                let kind = result["type"].as_str().unwrap_or("unknown").to_owned();
                *report.refused.entry(kind).or_default() += 1;
                writeln!(refused, "{}", note(&row, &result)).map_err(broken)?;
            }
            refused.flush().map_err(broken)?;
            let refused_so_far = refused_before + report.refused.values().sum::<usize>();
            std::fs::write(self.beside("progress"), format!("{at} {refused_so_far}"))
                .map_err(broken)?;
        }
        bar.finish_and_clear();
        report.is_complete = at == total;
        if report.is_complete {
            std::fs::remove_file(self.beside("progress"))
                .or_else(ignore_missing)
                .map_err(broken)?;
            if report.refused.is_empty() && refused_before == 0 {
                std::fs::remove_file(self.beside("refused.ndjson"))
                    .or_else(ignore_missing)
                    .map_err(broken)?;
            }
        }
        Ok(report)
    }

    /// Where each refused row is written, with the reason.
    pub fn refused_file(&self) -> PathBuf {
        self.beside("refused.ndjson")
    }

    fn name(&self) -> String {
        self.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// `<file>.<suffix>`
    fn beside(&self, suffix: &str) -> PathBuf {
        let mut path = self.file.clone().into_os_string();
        path.push(format!(".{suffix}"));
        path.into()
    }
}

fn note(row: &Row, result: &Value) -> Value {
    let command = row.command.as_ref().map_or_else(|raw| json!(raw), Value::clone);
    json!({ "line": row.line, "problem": result, "command": command })
}

/// Rows that are done, and how many of them were refused.
fn read_progress(file: &Path) -> (usize, usize) {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mut numbers = text.split_whitespace().map(|number| number.parse().unwrap_or(0));
    let done = numbers.next().unwrap_or(0);
    (done, numbers.next().unwrap_or(0).min(done))
}

fn open(file: &Path, append: bool) -> std::io::Result<std::fs::File> {
    std::fs::OpenOptions::new().create(true).write(true).append(append).truncate(!append).open(file)
}

fn ignore_missing(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
