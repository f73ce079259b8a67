//! A file that is read again when it changes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use crate::service::metrics::Gauge;
use crate::service::vital::caught;

/// Between two looks at the file.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

type Read<T> = Arc<dyn Fn(&Path) -> Result<T, String> + Send + Sync>;

/// What the file held when it could last be read.
pub struct Watched<T> {
    path: PathBuf,
    read: Read<T>,
    current: RwLock<Arc<T>>,
    /// Of the last attempt to read it.
    stamp: Mutex<Option<Stamp>>,
    readable: &'static Gauge,
}

/// Tells one version of a file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    #[cfg(unix)]
    of_unix: (u64, u64, i64, i64, u32),
}

/// None where there is no such file.
fn stamp(path: &Path) -> Option<Stamp> {
    let found = std::fs::metadata(path).ok()?;
    #[cfg(unix)]
    let of_unix = {
        use std::os::unix::fs::MetadataExt as _;
        (found.dev(), found.ino(), found.ctime(), found.ctime_nsec(), found.mode())
    };
    Some(Stamp {
        modified: found.modified().ok(),
        bytes: found.len(),
        #[cfg(unix)]
        of_unix,
    })
}

impl<T: Send + Sync + 'static> Watched<T> {
    /// Reads it for the first time; says why it can't be used. `readable` tells whether it can.
    pub fn read(path: &Path, read: Read<T>, readable: &'static Gauge) -> Result<Self, String> {
        let stamp = stamp(path); // Before it is read: what changes meanwhile is seen.
        let current = read(path)?;
        readable.set_to(true);
        Ok(Self {
            path: path.to_owned(),
            read,
            current: RwLock::new(Arc::new(current)),
            stamp: Mutex::new(stamp),
            readable,
        })
    }

    /// The last good version.
    pub fn current(&self) -> Arc<T> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads it whenever it has changed. A version that can't be read is told once, and the last good
    /// one stays in use.
    pub async fn follow(&self) {
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            let (path, read) = (self.path.clone(), self.read.clone());
            let known = self.stamp.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let look = move || {
                let now = stamp(&path);
                let changed = now != known;
                changed.then(|| (now, caught(|| read(&path))))
            };
            if let Ok(Some((stamp, outcome))) = tokio::task::spawn_blocking(look).await {
                self.take(stamp, outcome);
            }
        }
    }

    fn take(&self, stamp: Option<Stamp>, outcome: Result<T, String>) {
        *self.stamp.lock().unwrap_or_else(PoisonError::into_inner) = stamp;
        self.readable.set_to(outcome.is_ok());
        let file = self.path.display();
        match outcome {
            Ok(new) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
                tracing::info!(%file, "read again");
            }
            Err(why) => tracing::error!(%file, why, "it can't be used; the last good version is"),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;
    use crate::auth::TOKENS_READABLE;

    async fn until(what: &str, holds: impl Fn() -> bool) {
        let looks = async {
            while !holds() {
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        };
        assert!(timeout(100 * LOOK_INTERVAL, looks).await.is_ok(), "in vain: {what}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_version_whose_reading_panics_can_not_be_used_and_a_later_one_can() {
        let path = std::env::temp_dir().join(format!("waybill-watched-{}", uuid::Uuid::new_v4()));
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        let read = |path: &Path| -> Result<String, String> {
            let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
            assert_ne!(text, "broken", "as a test wants it");
            Ok(text)
        };
        write("first");
        let watched = Watched::read(&path, Arc::new(read), &TOKENS_READABLE).unwrap();
        let looks = async {
            write("broken");
            let is_seen = || *watched.stamp.lock().unwrap() == stamp(&path);
            until("it is seen, and not read again and again", is_seen).await;
            assert_eq!(*watched.current(), "first", "the last good version");
            write("the second");
            until("it is read", || *watched.current() == "the second").await;
        };
        tokio::select! {
            () = watched.follow() => {}
            () = looks => {}
        }
        std::fs::remove_file(&path).unwrap();
    }
}
