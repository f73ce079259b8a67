//! Opening the file, laying it out, and keeping others out of it.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::{Arc, Mutex};

use kernel::{Failure, Result};
use rusqlite::Connection;

use super::{Sqlite, failure, head};
use crate::event_store::append_notifier::AppendNotifier;

const SCHEMA: &str = r#"
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = 16000;
CREATE TABLE IF NOT EXISTS identity (log TEXT NOT NULL, format INTEGER NOT NULL);
INSERT INTO identity SELECT lower(hex(randomblob(16))), 2 WHERE NOT EXISTS (SELECT 1 FROM identity);
CREATE TABLE IF NOT EXISTS commits (
    position INTEGER PRIMARY KEY,
    stream TEXT NOT NULL,
    "from" INTEGER NOT NULL,
    "to" INTEGER,
    events TEXT,
    at INTEGER,
    meta TEXT,
    key TEXT,
    fingerprint TEXT,
    UNIQUE (stream, "from")
) STRICT;
CREATE TABLE IF NOT EXISTS snapshots (
    stream TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    version INTEGER NOT NULL,
    position INTEGER NOT NULL,
    at INTEGER NOT NULL,
    state TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS operations (
    id TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    service TEXT NOT NULL,
    act TEXT NOT NULL,
    subject TEXT NOT NULL,
    outcome TEXT
) STRICT;
"#;

/// In logs of format 1 every commit has a key, of its own where the client gave none (those of clients
/// have a slash).
const FROM_FORMAT_1: &str = r#"
BEGIN;
CREATE TABLE of_format_2 (
    position INTEGER PRIMARY KEY,
    stream TEXT NOT NULL,
    "from" INTEGER NOT NULL,
    "to" INTEGER,
    events TEXT,
    at INTEGER,
    meta TEXT,
    key TEXT,
    fingerprint TEXT,
    UNIQUE (stream, "from")
) STRICT;
INSERT INTO of_format_2 SELECT position, stream, "from", "to", events, at, meta,
    CASE WHEN instr(key, '/') > 0 THEN key END, fingerprint FROM commits;
DROP TABLE commits;
ALTER TABLE of_format_2 RENAME TO commits;
UPDATE identity SET format = 2;
COMMIT;
"#;

const KEYS: &str = "CREATE UNIQUE INDEX IF NOT EXISTS keys ON commits (key) WHERE key IS NOT NULL;";

/// No other process writes here: a position missing below the head was drawn by one that is gone.
const SEAL: &str = r#"
WITH RECURSIVE every(position) AS (
    SELECT 1 WHERE (SELECT count(*) < max(position) FROM commits)
    UNION ALL SELECT position + 1 FROM every WHERE position < (SELECT max(position) FROM commits)
)
INSERT INTO commits (position, stream, "from")
SELECT position, '~', position FROM every
WHERE position NOT IN (SELECT position FROM commits);
"#;

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
        let format = |connection: &Connection| {
            connection.query_row("SELECT format FROM identity", [], |row| row.get::<_, i64>(0))
        };
        if format(&writer).map_err(failure(&what))? == 1 {
            writer.execute_batch(FROM_FORMAT_1).map_err(failure(&what))?;
        }
        writer.execute_batch(KEYS).map_err(failure(&what))?;
        writer.execute_batch(SEAL).map_err(failure(&what))?;
        let head = head(&writer).map_err(failure(&what))?;
        Ok(Self {
            writer: Arc::new(Mutex::new(writer)),
            reader: Arc::new(Mutex::new(open()?)),
            last_drawn: Arc::new(Mutex::new(head)),
            append_notifier: AppendNotifier::alone(),
            views: Arc::default(),
            _lock: Arc::new(guard),
        })
    }
}
