//! The temporary folder of a run. A lock tells whether its owner lives.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;

const PREFIX: &str = "waybill-run-";

#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// A new folder; those of runs that are over are cleared away first.
    pub fn new() -> Result<Self> {
        let temp = std::env::temp_dir();
        clear(&temp);
        let unique =
            std::time::UNIX_EPOCH.elapsed().map(|time| time.as_nanos()).unwrap_or_default();
        let path = temp.join(format!("{PREFIX}{}-{unique}", std::process::id()));
        let broken = |error: std::io::Error| format!("{}: {error}", path.display());
        std::fs::create_dir_all(&path).map_err(broken)?;
        let lock = File::create(path.join("lock")).map_err(broken)?;
        lock.try_lock().map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { path, _lock: lock })
    }

    /// A folder in it.
    pub fn path(&self, name: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        std::fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.path));
    }
}

/// Ends the processes of runs whose owner is gone, and removes their folders.
fn clear(temp: &Path) {
    let Ok(entries) = std::fs::read_dir(temp) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let ours = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
        let orphaned = || File::open(path.join("lock")).is_ok_and(|lock| lock.try_lock().is_ok());
        if ours && orphaned() {
            kill_all_in(&path);
            drop(std::fs::remove_dir_all(&path));
        }
    }
}

/// The processes whose environment names the folder, wherever they were started from, and those
/// that work in it: Redis overwrites its environment with its title.
fn kill_all_in(path: &Path) {
    let marker = format!("{}={}", super::process::MARKER, path.display());
    let Ok(entries) = std::fs::read_dir("/proc") else { return };
    for process in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let environment = std::fs::read(process.join("environ")).unwrap_or_default();
        let marked =
            environment.split(|byte| *byte == 0).any(|pair| pair.starts_with(marker.as_bytes()));
        let inside = std::fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(path));
        if let (true, Some(id)) = (marked || inside, process.file_name()) {
            drop(Command::new("kill").arg("-9").arg(id).output());
        }
    }
}
