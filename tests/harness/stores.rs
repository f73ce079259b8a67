//! The adapters of each port, for its contract suite.

use std::path::PathBuf;

use shared::event_store::sqlite::Sqlite;
use uuid::Uuid;

/// A folder that is removed with its guard.
pub struct TempDir(pub PathBuf);

impl Default for TempDir {
    fn default() -> Self {
        let path = std::env::temp_dir().join(format!("waybill-test-{}", Uuid::new_v4().simple()));
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

impl TempDir {
    pub fn sqlite(&self) -> Sqlite {
        Sqlite::open(&self.0).expect("a log in a temporary folder")
    }
}
