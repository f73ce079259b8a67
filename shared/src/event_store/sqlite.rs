//! The log in one SQLite file, for the embedded mode: WAL with full synchronisation, so that an
//! acknowledged commit survives the loss of power (<https://www.sqlite.org/pragma.html#pragma_synchronous>).

use std::fs::{File, TryLockError};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use rusqlite::{Connection, Row, Statement, ToSql, params_from_iter};

use super::{EventStore, Inserted};
use crate::log::{Commit, Entry, LogId, Position, StreamName, Version};
use crate::signal::Signal;
use crate::{Failure, Result, Timestamp};

const SCHEMA: &str = r#"
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = 16000;
CREATE TABLE IF NOT EXISTS identity (log TEXT NOT NULL, format INTEGER NOT NULL);
INSERT INTO identity SELECT lower(hex(randomblob(16))), 1 WHERE NOT EXISTS (SELECT 1 FROM identity);
CREATE TABLE IF NOT EXISTS commits (
    position INTEGER PRIMARY KEY,
    stream TEXT NOT NULL,
    "from" INTEGER NOT NULL,
    "to" INTEGER,
    events TEXT,
    at INTEGER,
    meta TEXT,
    key TEXT NOT NULL UNIQUE,
    fingerprint TEXT,
    UNIQUE (stream, "from")
) STRICT;
"#;

/// Nobody else writes here: a position missing below the head was drawn by a process that is gone.
const SEAL: &str = r#"
WITH RECURSIVE every(position) AS (
    SELECT 1 WHERE (SELECT count(*) < max(position) FROM commits)
    UNION ALL SELECT position + 1 FROM every WHERE position < (SELECT max(position) FROM commits)
)
INSERT INTO commits (position, stream, "from", key)
SELECT position, '~', position, '~' || position FROM every
WHERE position NOT IN (SELECT position FROM commits);
"#;

const NO_STREAM: &str = "~";
const COLUMNS: &str = r#"position, stream, "from", "to", events, at, meta, key, fingerprint"#;
/// Bound values in one statement: far below SQLite's limit of 32,766.
const PAGE: usize = 500;

#[derive(Debug, Clone)]
pub struct Sqlite {
    writer: Arc<Mutex<Connection>>,
    reader: Arc<Mutex<Connection>>,
    last_drawn: Arc<Mutex<Position>>,
    signal: Signal,
    _lock: Arc<File>,
}

fn failure(what: &str) -> impl Fn(rusqlite::Error) -> Failure + '_ {
    move |error| Failure::transient(what, error)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sqlite {
    /// Opens or makes the log in `directory`, and keeps other processes out of it.
    pub fn open(directory: &Path) -> Result<Self> {
        let what = format!("opening the log in {}", directory.display());
        let broken = |error: std::io::Error| Failure::permanent(&what, error);
        std::fs::create_dir_all(directory).map_err(broken)?;
        let guard = File::create(directory.join("lock")).map_err(broken)?;
        guard.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => Failure::permanent(
                &what,
                "another process holds it; stop that one, or choose another WAYBILL_DATA_DIR",
            ),
            TryLockError::Error(error) => broken(error),
        })?;
        let open = || Connection::open(directory.join("log.sqlite")).map_err(failure(&what));
        let writer = open()?;
        writer.execute_batch(SCHEMA).map_err(failure(&what))?;
        writer.execute_batch(SEAL).map_err(failure(&what))?;
        let head = head(&writer).map_err(failure(&what))?;
        Ok(Self {
            writer: Arc::new(Mutex::new(writer)),
            reader: Arc::new(Mutex::new(open()?)),
            last_drawn: Arc::new(Mutex::new(head)),
            signal: Signal::default(),
            _lock: Arc::new(guard),
        })
    }

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

    async fn draw(&self, count: usize) -> Result<Range<Position>> {
        let mut last = lock(&self.last_drawn);
        let first = *last + 1;
        *last += count as Position;
        Ok(first..*last + 1)
    }

    async fn raise_counter(&self) -> Result<()> {
        let head = self.head().await?;
        let mut last = lock(&self.last_drawn);
        *last = (*last).max(head);
        Ok(())
    }

    async fn insert(&self, entries: &[Entry]) -> Result<Vec<Inserted>> {
        let what = "appending to the log";
        let rows = entries.iter().map(Stored::try_from).collect::<Result<Vec<_>>>()?;
        let outcomes =
            self.run(what, &self.writer, move |connection| insert(connection, &rows)).await?;
        self.signal.ring();
        Ok(outcomes)
    }

    async fn at(&self, positions: &[Position]) -> Result<Vec<Entry>> {
        let mut positions = positions.to_vec();
        positions.sort_unstable();
        let select =
            move |connection: &Connection| pages(connection, "position", &positions, "position");
        self.select("reading positions", select).await
    }

    async fn by_key(&self, keys: &[&str]) -> Result<Vec<Commit>> {
        let keys: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
        let select = move |connection: &Connection| pages(connection, "key", &keys, "position");
        let found = self.select("reading by key", select).await?;
        Ok(found.into_iter().filter_map(Entry::into_commit).collect())
    }

    async fn streams(&self, above: &[(&StreamName, Version)]) -> Result<Vec<Commit>> {
        let wanted: Vec<(String, Version)> =
            above.iter().map(|(stream, version)| (stream.as_str().to_owned(), *version)).collect();
        let select = move |connection: &Connection| {
            let sql = format!(
                r#"SELECT {COLUMNS} FROM commits WHERE stream = ? AND "to" > ? ORDER BY "from""#
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let mut found = vec![];
            for (stream, version) in &wanted {
                found.extend(rows(&mut statement, &[stream as &dyn ToSql, version])?);
            }
            Ok(found)
        };
        let found = self.select("reading streams", select).await?;
        Ok(found.into_iter().filter_map(Entry::into_commit).collect())
    }

    async fn read(&self, after: Position, limit: usize) -> Result<Vec<Entry>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let select = move |connection: &Connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM commits WHERE position > ? ORDER BY position LIMIT ?"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            rows(&mut statement, &[&after as &dyn ToSql, &limit])
        };
        self.select("reading the log", select).await
    }

    async fn head(&self) -> Result<Position> {
        self.run("reading the head of the log", &self.reader, |connection| head(connection)).await
    }

    fn signal(&self) -> &Signal {
        &self.signal
    }
}

fn head(connection: &Connection) -> rusqlite::Result<Position> {
    connection.query_row("SELECT coalesce(max(position), 0) FROM commits", [], |row| row.get(0))
}

fn rows(statement: &mut Statement<'_>, values: &[&dyn ToSql]) -> rusqlite::Result<Vec<Stored>> {
    statement.query_map(values, Stored::from_row)?.collect()
}

/// All rows whose `column` is one of `values`, asked for a page at a time.
fn pages<V: ToSql>(
    connection: &Connection,
    column: &str,
    values: &[V],
    order: &str,
) -> rusqlite::Result<Vec<Stored>> {
    let mut found = vec![];
    for page in values.chunks(PAGE) {
        let marks = vec!["?"; page.len()].join(",");
        let sql =
            format!("SELECT {COLUMNS} FROM commits WHERE {column} IN ({marks}) ORDER BY {order}");
        let mut statement = connection.prepare(&sql)?;
        let rows = statement.query_map(params_from_iter(page), Stored::from_row)?;
        found.extend(rows.collect::<rusqlite::Result<Vec<_>>>()?);
    }
    Ok(found)
}

/// One transaction for the group; a row that violates a constraint undoes only itself.
fn insert(connection: &mut Connection, rows: &[Stored]) -> rusqlite::Result<Vec<Inserted>> {
    let transaction = connection.transaction()?;
    let mut outcomes = Vec::with_capacity(rows.len());
    {
        let sql = format!("INSERT INTO commits ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
        let mut statement = transaction.prepare_cached(&sql)?;
        for row in rows {
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

/// A row of `commits`; what is no tombstone has all columns.
#[derive(Debug)]
struct Stored {
    position: Position,
    stream: String,
    from: Version,
    to: Option<Version>,
    events: Option<String>,
    at: Option<i64>,
    meta: Option<String>,
    key: String,
    fingerprint: Option<String>,
}

impl Stored {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            position: row.get(0)?,
            stream: row.get(1)?,
            from: row.get(2)?,
            to: row.get(3)?,
            events: row.get(4)?,
            at: row.get(5)?,
            meta: row.get(6)?,
            key: row.get(7)?,
            fingerprint: row.get(8)?,
        })
    }
}

impl TryFrom<&Entry> for Stored {
    type Error = Failure;

    fn try_from(entry: &Entry) -> Result<Self> {
        let bad = |error| Failure::permanent("encoding a commit", error);
        Ok(match entry {
            Entry::Tombstone(position) => Self {
                position: *position,
                stream: NO_STREAM.to_owned(),
                from: *position,
                to: None,
                events: None,
                at: None,
                meta: None,
                key: format!("~{position}"),
                fingerprint: None,
            },
            Entry::Commit(commit) => Self {
                position: commit.position,
                stream: commit.stream.as_str().to_owned(),
                from: commit.from,
                to: Some(commit.to),
                events: Some(serde_json::to_string(&commit.events).map_err(bad)?),
                at: Some(commit.at.as_millis()),
                meta: Some(serde_json::to_string(&commit.meta).map_err(bad)?),
                key: commit.key.clone(),
                fingerprint: Some(commit.fingerprint.clone()),
            },
        })
    }
}

impl TryFrom<Stored> for Entry {
    type Error = Failure;

    fn try_from(row: Stored) -> Result<Self> {
        let position = row.position;
        let what = format!("reading commit {position}");
        let (Some(to), Some(events), Some(at), Some(meta)) = (row.to, row.events, row.at, row.meta)
        else {
            return Ok(Self::Tombstone(position));
        };
        let bad = |error| Failure::permanent(&what, error);
        Ok(Self::Commit(Commit {
            position,
            stream: StreamName::stored(row.stream),
            from: row.from,
            to,
            events: serde_json::from_str(&events).map_err(bad)?,
            at: Timestamp::from_millis(at),
            meta: serde_json::from_str(&meta).map_err(bad)?,
            key: row.key,
            fingerprint: row.fingerprint.unwrap_or_default(),
        }))
    }
}
