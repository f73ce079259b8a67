//! Packages of Python that tests use, in the private cache: nothing is installed into the system.

use std::collections::hash_map::DefaultHasher;
use std::ffi::OsStr;
use std::hash::{Hash as _, Hasher as _};
use std::path::PathBuf;
use std::process::Command;

use crate::Result;
use crate::install::run;
use crate::programs::cache;

/// Every package, with its version.
const REQUIREMENTS: &str = include_str!("../../tests/python/requirements.txt");

/// Python with the packages.
pub fn python() -> Result<Command> {
    let packages = packages()?;
    if !packages.is_dir() {
        return Err("the packages of Python are not there: `cargo xtask install`".to_owned());
    }
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", packages).env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}

/// The folder of the packages: another one for other versions of them, and of Python.
fn packages() -> Result<PathBuf> {
    let version = "import sys; print(sys.implementation.cache_tag)";
    let output = Command::new("python3").args(["-c", version]).output();
    let output = output.map_err(|error| format!("python3: {error}"))?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let mut hasher = DefaultHasher::new();
    REQUIREMENTS.hash(&mut hasher);
    Ok(cache()?.join(format!("{version}-{:016x}", hasher.finish())))
}

/// Fetches the packages, unless they are there.
pub fn install_packages() -> Result<()> {
    let target = packages()?;
    if target.is_dir() {
        return Ok(());
    }
    eprintln!("fetching packages of Python (tests/python/requirements.txt, 120 MB)");
    let work = cache()?.join(format!("fetch-python-{}", std::process::id()));
    let fetched = fetch_into(&work, &target);
    drop(std::fs::remove_dir_all(&work));
    fetched
}

fn fetch_into(work: &std::path::Path, target: &std::path::Path) -> Result<()> {
    let broken = |error: std::io::Error| format!("fetching packages of Python: {error}");
    let (site, list) = (work.join("site"), work.join("requirements.txt"));
    std::fs::create_dir_all(work).map_err(broken)?;
    std::fs::write(&list, REQUIREMENTS).map_err(broken)?;
    let quiet = ["--quiet", "--no-deps", "--disable-pip-version-check"].map(OsStr::new);
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install"]).args(quiet).arg("--target").arg(&site).arg("-r").arg(&list);
    run(&mut pip)?;
    match std::fs::rename(&site, target) {
        // Another run was faster.
        Err(_) if target.is_dir() => Ok(()),
        renamed => renamed.map_err(broken),
    }
}
