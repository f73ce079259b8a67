//! Where the servers' programs are.

use std::path::PathBuf;
use std::process::Command;

use crate::Result;

/// Debian's start script, without its wrapper that changes the user.
pub const RABBITMQ: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// The same of its operators' tool.
pub const RABBITMQCTL: &str = "/usr/lib/rabbitmq/bin/rabbitmqctl";

/// cargo as if it was called from a shell: what the cargo around this program has set would make
/// build scripts run again.
pub fn cargo() -> Command {
    let mut cargo = Command::new("cargo");
    let own = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(own) {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// `$WAYBILL_MONGOD`, else the one on the PATH, else the one that was fetched.
pub fn mongod() -> Option<PathBuf> {
    let named = std::env::var_os("WAYBILL_MONGOD").map(PathBuf::from);
    named.or_else(|| find("mongod")).or_else(|| mongod_in_cache().ok().filter(|path| path.exists()))
}

/// `mongod` in the cache.
pub fn mongod_in_cache() -> Result<PathBuf> {
    Ok(cache()?.join("mongod-6.0.5"))
}

/// Beside it, the script that looks for barriers in pages.
pub fn axe_in_cache() -> Result<PathBuf> {
    Ok(cache()?.join("axe-4.12.1.min.js"))
}

/// `prometheus` or `promtool`: the one on the PATH, else the one that was fetched.
pub fn of_prometheus(program: &str) -> Option<PathBuf> {
    let fetched = || Some(prometheus_in_cache().ok()?.join(program)).filter(|it| it.is_file());
    find(program).or_else(fetched)
}

/// The folder of Prometheus' programs in the cache.
pub fn prometheus_in_cache() -> Result<PathBuf> {
    Ok(cache()?.join("prometheus"))
}

/// `$XDG_CACHE_HOME/waybill`, else under `~/.cache`: what was fetched once, for all runs.
pub fn cache() -> Result<PathBuf> {
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    let cache = cache.ok_or("neither XDG_CACHE_HOME nor HOME is set")?.join("waybill");
    std::fs::create_dir_all(&cache).map_err(|error| format!("{}: {error}", cache.display()))?;
    Ok(cache)
}

/// The folder of PostgreSQL's programs: that of the highest version that is installed.
pub fn postgresql() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let version = |folder: &PathBuf| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let versions = folders.filter_map(|folder| Some(folder.ok()?.path()));
    let complete = versions.filter(|folder| folder.join("bin/initdb").is_file());
    Some(complete.max_by_key(version)?.join("bin"))
}

/// The library that gives a process another clock.
pub fn faketime() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut libraries = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    libraries.find(|library| library.is_file())
}

pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}
