//! Reads of bounded size.

use kernel::Timestamp;
use kernel::log::StreamName;
use rusqlite::{Connection, OptionalExtension as _, Statement, ToSql, params_from_iter};

use super::COLUMNS;
use super::rows::Stored;
use crate::event_store::{READ_BYTES, SNAPSHOT_BYTES, Snapshot};

/// Bound values in one statement: far below SQLite's limit of 32,766.
const PAGE: usize = 500;

/// What a read of bounded size has taken so far.
#[derive(Default)]
pub struct Taken {
    pub rows: Vec<Stored>,
    pub bytes: usize,
}

impl Taken {
    /// Takes more rows, until it is full.
    pub fn rows(
        &mut self,
        statement: &mut Statement<'_>,
        values: &[&dyn ToSql],
    ) -> rusqlite::Result<()> {
        let mut rows = statement.query(values)?;
        while self.bytes < READ_BYTES
            && let Some(row) = rows.next()?
        {
            let row = Stored::from_row(row)?;
            self.bytes += row.bytes();
            self.rows.push(row);
        }
        Ok(())
    }
}

/// All rows whose `column` is one of `values`, by position, asked for a page at a time.
pub fn pages<V: ToSql>(
    connection: &Connection,
    column: &str,
    values: &[V],
) -> rusqlite::Result<Vec<Stored>> {
    let mut found = vec![];
    for page in values.chunks(PAGE) {
        let marks = vec!["?"; page.len()].join(",");
        let sql =
            format!("SELECT {COLUMNS} FROM commits WHERE {column} IN ({marks}) ORDER BY position");
        let mut statement = connection.prepare(&sql)?;
        let rows = statement.query_map(params_from_iter(page), Stored::from_row)?;
        found.extend(rows.collect::<rusqlite::Result<Vec<_>>>()?);
    }
    Ok(found)
}

/// The latest snapshots of this kind, by the names of the streams, until they are full.
pub fn snapshots(
    connection: &Connection,
    kind: &str,
    mut streams: Vec<StreamName>,
) -> rusqlite::Result<Vec<Snapshot>> {
    let sql = "SELECT version, position, at, state FROM snapshots WHERE stream = ? AND kind = ?";
    let mut statement = connection.prepare_cached(sql)?;
    streams.sort_unstable();
    let mut streams = streams.into_iter();
    let (mut found, mut bytes) = (vec![], 0);
    while bytes < SNAPSHOT_BYTES
        && let Some(stream) = streams.next()
    {
        let snapshot = statement.query_row([stream.as_str(), kind], |row| {
            Ok(Snapshot {
                stream: stream.clone(),
                kind: kind.to_owned(),
                version: row.get(0)?,
                position: row.get(1)?,
                at: Timestamp::from_millis(row.get(2)?),
                state: row.get(3)?,
            })
        });
        if let Some(snapshot) = snapshot.optional()? {
            bytes += snapshot.state.len();
            found.push(snapshot);
        }
    }
    Ok(found)
}
