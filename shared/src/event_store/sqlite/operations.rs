//! What operators did, in a table of its own: as durable as the log.

use async_trait::async_trait;
use kernel::{Failure, Result, Timestamp};
use rusqlite::types::Type;
use rusqlite::{Connection, Error, Row, params};
use uuid::Uuid;

use super::Sqlite;
use crate::operation_log::{Entry, OperationLog, Outcome, Page, PageTaker};

const RECORDING: &str = "recording an act of an operator";
const LISTING: &str = "listing the acts of operators";

#[async_trait]
impl OperationLog for Sqlite {
    async fn record(&self, entry: &Entry) -> Result<()> {
        let entry = entry.clone();
        let outcome = entry.outcome.as_ref().map(json).transpose()?;
        let record = move |connection: &mut Connection| {
            let sql = "INSERT INTO operations (id, at, actor, service, act, subject, outcome)
                VALUES (?, ?, ?, ?, ?, ?, ?)";
            let Entry { id, at, actor, service, act, subject, .. } = entry;
            let row =
                params![id.to_string(), at.as_millis(), actor, service, act, subject, outcome];
            connection.execute(sql, row)
        };
        self.run(RECORDING, &self.writer, record).await.map(drop)
    }

    async fn finish(&self, id: Uuid, outcome: &Outcome) -> Result<()> {
        let outcome = json(outcome)?;
        let finish = move |connection: &mut Connection| {
            let sql = "UPDATE operations SET outcome = coalesce(outcome, ?) WHERE id = ?";
            connection.execute(sql, params![outcome, id.to_string()])
        };
        match self.run(RECORDING, &self.writer, finish).await? {
            0 => Err(Failure::permanent(RECORDING, format!("there is no entry {id}"))),
            _ => Ok(()),
        }
    }

    async fn list(&self, before: Option<Uuid>, limit: usize) -> Result<Page> {
        let list = move |connection: &mut Connection| select(connection, before, limit);
        self.run(LISTING, &self.reader, list).await
    }
}

fn json(outcome: &Outcome) -> Result<String> {
    serde_json::to_string(outcome).map_err(|error| Failure::permanent(RECORDING, error))
}

fn select(connection: &Connection, before: Option<Uuid>, limit: usize) -> rusqlite::Result<Page> {
    // The texts of UUIDs of version 7 sort by time. One more tells whether there is another page.
    let sql = "SELECT id, at, actor, service, act, subject, outcome FROM operations
        WHERE ?1 IS NULL OR id < ?1 ORDER BY id DESC LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let before = before.map(|before| before.to_string());
    let found = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![before, found])?;
    let mut taker = PageTaker::new(limit);
    while let Some(row) = rows.next()? {
        if !taker.take(entry(row)?) {
            break;
        }
    }
    Ok(taker.finish())
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let (id, outcome): (String, Option<String>) = (row.get(0)?, row.get(6)?);
    let outcome = outcome.map(|outcome| serde_json::from_str(&outcome)).transpose();
    Ok(Entry {
        id: id.parse().map_err(|error| unreadable(0, error))?,
        at: Timestamp::from_millis(row.get(1)?),
        actor: row.get(2)?,
        service: row.get(3)?,
        act: row.get(4)?,
        subject: row.get(5)?,
        outcome: outcome.map_err(|error| unreadable(6, error))?,
    })
}

fn unreadable(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}
