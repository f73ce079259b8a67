//! The adapters of each port, for its contract suite.

use std::path::PathBuf;

use kernel::views::Parked;
use shared::event_store::sqlite::Sqlite;
use shared::view_store::{GenerationId, MAX_NOTES, ViewStore};
use uuid::Uuid;

/// The notes of all parked streams, page by page.
pub async fn parked(views: &dyn ViewStore, generation: &GenerationId) -> Vec<Parked> {
    let (mut notes, mut after) = (vec![], None);
    loop {
        let page = views.parked(generation, after.as_ref(), MAX_NOTES).await.expect("a page");
        after = page.next().cloned();
        notes.extend(page.notes);
        if after.is_none() {
            return notes;
        }
    }
}

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

/// Runs each test on both logs: it takes an `Arc<dyn EventStore>`. In one thread, what is done without an
/// await comes before what other tasks do.
#[macro_export]
macro_rules! on_both_logs {
    (in one thread: $($test:ident)*) => {
        $crate::on_both_logs! { "current_thread": $($test)* }
    };
    ($flavor:tt: $($test:ident)*) => {
        mod mongodb {
            $(#[tokio::test(flavor = $flavor)]
            async fn $test() {
                let own = $crate::Own::default();
                super::$test(std::sync::Arc::new(own.mongodb().await)).await;
                own.remove().await;
            })*
        }

        mod sqlite {
            $(#[tokio::test(flavor = $flavor)]
            async fn $test() {
                let folder = $crate::stores::TempDir::default();
                super::$test(std::sync::Arc::new(folder.sqlite())).await;
            })*
        }
    };
    ($($test:ident)*) => {
        $crate::on_both_logs! { "multi_thread": $($test)* }
    };
}
