//! The log in one SQLite file, for the embedded mode: WAL with full synchronisation, so that an
//! acknowledged commit survives the loss of power (<https://www.sqlite.org/pragma.html#pragma_synchronous>).

mod open;
mod operations;
mod reading;
mod rows;

use std::fs::File;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use kernel::log::{Commit, Entry, LogId, MAX_EVENTS, Position, StreamName, Version};
use kernel::{Failure, Result};
use rusqlite::{Connection, ToSql};

use self::reading::{Taken, pages, snapshots};
use self::rows::Stored;
use super::{
    EventStore, Inserted, Mark, NotInserted, Part, READ_BYTES, Snapshot, ViewsReport, goes_on,
};
use crate::event_store::append_notifier::AppendNotifier;

const COLUMNS: &str = r#"position, stream, "from", "to", events, at, meta, key, fingerprint"#;

/// The log in a file of SQLite, for one process. Calls block a thread of the blocking pool.
#[derive(Debug, Clone)]
pub struct Sqlite {
    writer: Arc<Mutex<Connection>>,
    reader: Arc<Mutex<Connection>>,
    last_drawn: Arc<Mutex<Position>>,
    append_notifier: AppendNotifier,
    /// How far the views of this process are.
    views: Arc<Mutex<Option<ViewsReport>>>,
    _lock: Arc<File>,
}

fn failure(what: &str) -> impl Fn(rusqlite::Error) -> Failure + '_ {
    move |error| Failure::transient(what, error)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sqlite {
    async fn run<T: Send + 'static>(
        &self,
        what: &'static str,
        connection: &Arc<Mutex<Connection>>,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let connection = connection.clone();
        let done = tokio::task::spawn_blocking(move || work(&mut lock(&connection))).await;
        done.map_err(|error| Failure::transient(what, error))?.map_err(failure(what))
    }

    async fn select(
        &self,
        what: &'static str,
        select: impl Fn(&Connection) -> rusqlite::Result<Vec<Stored>> + Send + 'static,
    ) -> Result<Vec<Entry>> {
        let stored = self.run(what, &self.reader, move |connection| select(connection)).await?;
        stored.into_iter().map(Entry::try_from).collect()
    }
}

#[async_trait]
impl EventStore for Sqlite {
    async fn log_id(&self) -> Result<LogId> {
        let id = self.run("reading the identity of the log", &self.reader, |connection| {
            connection.query_row("SELECT log FROM identity", [], |row| row.get::<_, String>(0))
        });
        Ok(LogId::stored(id.await?))
    }

    async fn reserve_positions(&self, count: usize) -> Result<Range<Position>> {
        let mut last = lock(&self.last_drawn);
        let first = *last + 1;
        *last += count as Position;
        Ok(first..*last + 1)
    }

    async fn raise_counter(&self, margin: Position) -> Result<()> {
        let head = self.head().await? + margin;
        let mut last = lock(&self.last_drawn);
        *last = (*last).max(head);
        Ok(())
    }

    async fn insert(&self, entries: &[Entry]) -> Result<Vec<Inserted>, NotInserted> {
        let what = "appending to the log";
        let go_on = std::iter::once(false).chain(entries.windows(2).map(|pair| match pair {
            [before, entry] => goes_on(before, entry),
            _ => false,
        }));
        let rows = entries.iter().map(Stored::try_from).zip(go_on);
        let rows = rows.map(|(row, goes_on)| Ok((row?, goes_on))).collect::<Result<Vec<_>>>();
        let rows = rows.map_err(NotInserted::Never)?;
        let inserted = self.run(what, &self.writer, move |connection| insert(connection, &rows));
        let outcomes = inserted.await.map_err(NotInserted::Unknown)?;
        self.append_notifier.notify();
        Ok(outcomes)
    }

    async fn read_at(&self, positions: &[Position]) -> Result<Vec<Entry>> {
        let mut positions = positions.to_vec();
        positions.sort_unstable();
        let select = move |connection: &Connection| pages(connection, "position", &positions);
        self.select("reading positions", select).await
    }

    async fn read_by_key(&self, keys: &[&str]) -> Result<Vec<Commit>> {
        let keys: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
        let select = move |connection: &Connection| pages(connection, "key", &keys);
        let found = self.select("reading by key", select).await?.into_iter();
        let without_events = found.filter_map(Entry::into_commit);
        Ok(without_events.map(|commit| Commit { events: vec![], ..commit }).collect())
    }

    async fn read_streams(&self, above: &[(&StreamName, Version)]) -> Result<Part> {
        let wanted: Vec<(String, Version)> =
            above.iter().map(|(stream, version)| (stream.as_str().to_owned(), *version)).collect();
        let select = move |connection: &mut Connection| {
            let sql = format!(
                r#"SELECT {COLUMNS} FROM commits
                   WHERE stream = ?1 AND "from" > ?2 - {MAX_EVENTS} AND "to" > ?2 ORDER BY "from""#
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let mut taken = Taken::default();
            for (stream, version) in &wanted {
                taken.rows(&mut statement, &[stream as &dyn ToSql, version])?;
            }
            Ok(taken)
        };
        let Taken { rows, bytes } = self.run("reading streams", &self.reader, select).await?;
        let entries = rows.into_iter().map(Entry::try_from).collect::<Result<Vec<_>>>()?;
        let commits = entries.into_iter().filter_map(Entry::into_commit).collect();
        Ok(Part { commits, complete: bytes < READ_BYTES })
    }

    async fn read(&self, after: Position, limit: usize) -> Result<Vec<Entry>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let select = move |connection: &Connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM commits WHERE position > ? ORDER BY position LIMIT ?"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let mut taken = Taken::default();
            taken.rows(&mut statement, &[&after as &dyn ToSql, &limit])?;
            Ok(taken.rows)
        };
        self.select("reading the log", select).await
    }

    async fn read_positions(&self, after: Position, limit: usize) -> Result<Vec<Position>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let select = move |connection: &mut Connection| {
            let sql = "SELECT position FROM commits WHERE position > ? ORDER BY position LIMIT ?";
            let mut statement = connection.prepare_cached(sql)?;
            statement.query_map([after, limit], |row| row.get(0))?.collect()
        };
        self.run("reading positions", &self.reader, select).await
    }

    async fn read_marks(&self, after: Position, limit: usize) -> Result<Vec<Mark>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let select = move |connection: &mut Connection| {
            let sql = r#"SELECT position, stream, "to" FROM commits
                WHERE position > ? ORDER BY position LIMIT ?"#;
            let mut statement = connection.prepare_cached(sql)?;
            let mark = |row: &rusqlite::Row<'_>| {
                let (stream, to): (String, Option<Version>) = (row.get(1)?, row.get(2)?);
                let end = to.map(|to| (StreamName::stored(stream), to));
                Ok(Mark { position: row.get(0)?, end })
            };
            statement.query_map([after, limit], mark)?.collect()
        };
        self.run("reading positions", &self.reader, select).await
    }

    async fn head(&self) -> Result<Position> {
        self.run("reading the head of the log", &self.reader, |connection| head(connection)).await
    }

    async fn read_snapshots(&self, kind: &str, streams: &[&StreamName]) -> Result<Vec<Snapshot>> {
        let kind = kind.to_owned();
        let streams: Vec<StreamName> = streams.iter().map(|stream| (*stream).clone()).collect();
        let select = move |connection: &mut Connection| snapshots(connection, &kind, streams);
        self.run("reading snapshots", &self.reader, select).await
    }

    async fn save_snapshot(&self, snapshot: Snapshot) -> Result<()> {
        let keep = move |connection: &mut Connection| {
            let sql = "INSERT INTO snapshots (stream, kind, version, position, at, state)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (stream) DO UPDATE
                SET kind = ?2, version = ?3, position = ?4, at = ?5, state = ?6
                WHERE kind <> ?2 OR version < ?3";
            let Snapshot { stream, kind, version, position, at, state } = snapshot;
            let at = at.as_millis();
            let row = rusqlite::params![stream.as_str(), kind, version, position, at, state];
            connection.execute(sql, row)
        };
        self.run("keeping a snapshot", &self.writer, keep).await?;
        Ok(())
    }

    async fn renew(&self) -> Result<LogId> {
        let new = LogId::random();
        let id = new.as_str().to_owned();
        let renew = move |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            transaction.execute("DELETE FROM snapshots", [])?;
            transaction.execute("UPDATE identity SET log = ?", [id])?;
            transaction.commit()
        };
        self.run("renewing the log", &self.writer, renew).await?;
        Ok(new)
    }

    async fn report_views(&self, report: ViewsReport) -> Result<()> {
        *lock(&self.views) = Some(report);
        Ok(())
    }

    async fn views_report(&self) -> Result<Option<ViewsReport>> {
        Ok(*lock(&self.views))
    }

    fn append_notifier(&self) -> &AppendNotifier {
        &self.append_notifier
    }
}

fn head(connection: &Connection) -> rusqlite::Result<Position> {
    connection.query_row("SELECT coalesce(max(position), 0) FROM commits", [], |row| row.get(0))
}

/// One transaction for the group; a row that violates a constraint undoes only itself, and those that go
/// on with it are not tried.
fn insert(connection: &mut Connection, rows: &[(Stored, bool)]) -> rusqlite::Result<Vec<Inserted>> {
    let transaction = connection.transaction()?;
    let mut outcomes = Vec::with_capacity(rows.len());
    {
        let sql = format!("INSERT INTO commits ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
        let mut statement = transaction.prepare_cached(&sql)?;
        for (row, goes_on) in rows {
            if *goes_on && outcomes.last() != Some(&Inserted::Written) {
                outcomes.push(Inserted::NotAttempted);
                continue;
            }
            let written = statement.execute(rusqlite::params![
                row.position,
                row.stream,
                row.from,
                row.to,
                row.events,
                row.at,
                row.meta,
                row.key,
                row.fingerprint,
            ]);
            outcomes.push(match written {
                Ok(_) => Inserted::Written,
                Err(error) if is_duplicate(&error) => Inserted::Duplicate,
                Err(error) => return Err(error),
            });
        }
    }
    transaction.commit()?;
    Ok(outcomes)
}

fn is_duplicate(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation)
}
