//! Which versions were measured: those of the lock files, and those that the programs tell.

use std::path::Path;
use std::process::Command;

use serde::Serialize;
use serde_json::Value;

const CARGO_LOCK: &str = include_str!("../../peers/cqrs-es/Cargo.lock");

#[derive(Debug, Default, Serialize)]
pub struct Versions {
    pub cqrs_es: String,
    pub postgresql: String,
    pub emmett: String,
    pub node: String,
    pub mongodb: String,
}

/// `emmett` is the folder of the peer on Emmett.
pub fn of(emmett: &Path) -> Versions {
    let postgres = xtask::programs::postgresql().map(|folder| folder.join("postgres"));
    let mongod = xtask::programs::mongod();
    Versions {
        cqrs_es: locked(CARGO_LOCK, "cqrs-es"),
        postgresql: postgres.map(|program| number(&told(&program))).unwrap_or_default(),
        emmett: package(emmett, "@event-driven-io/emmett-mongodb"),
        node: number(&told(Path::new("node"))),
        mongodb: mongod.map(|program| number(&told(&program))).unwrap_or_default(),
    }
}

/// The version of a package in a Cargo.lock.
fn locked(text: &str, name: &str) -> String {
    let mut after = text.lines().skip_while(|line| *line != format!("name = \"{name}\""));
    let version = after.find_map(|line| line.strip_prefix("version = "));
    version.map(|version| version.trim_matches('"').to_owned()).unwrap_or_default()
}

/// The version of a package that npm has fetched.
fn package(folder: &Path, name: &str) -> String {
    let file = folder.join("node_modules").join(name).join("package.json");
    let read = std::fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let version = read.and_then(|json: Value| Some(json["version"].as_str()?.to_owned()));
    version.unwrap_or_default()
}

fn told(program: &Path) -> String {
    let output = Command::new(program).arg("--version").output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

/// The first word that is a version: `db version v6.0.5` tells 6.0.5.
fn number(text: &str) -> String {
    let words = text.split_whitespace().map(|word| word.trim_start_matches('v'));
    let mut versions = words.filter(|word| word.starts_with(|first: char| first.is_ascii_digit()));
    versions.next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_tell() {
        assert_eq!(number("db version v6.0.5\nBuild Info: {}"), "6.0.5");
        assert_eq!(number("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)"), "15.14");
        assert_eq!(number("v20.20.2\n"), "20.20.2");
        assert_eq!(number(""), "");
    }

    #[test]
    fn the_version_of_the_library_is_in_the_lock_file() {
        assert!(locked(CARGO_LOCK, "cqrs-es").starts_with("0."));
        assert_eq!(locked(CARGO_LOCK, "no-such-package"), "");
    }
}
