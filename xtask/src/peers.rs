//! Builds the peers of the benchmark: other software that does what Waybill does.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::install::{install_peers, run};
use crate::programs::cargo;

/// What npm is given, below `bench/peers/emmett`.
const SOURCES: [&str; 3] = ["package.json", "package-lock.json", "src"];

/// Where they are, once they are built.
pub struct Peers {
    /// The program of the peer on cqrs-es.
    pub cqrs_es: PathBuf,
    /// The folder of the peer on Emmett, with its packages.
    pub emmett: PathBuf,
}

/// Installs what is missing and builds both. `target` is the folder of what cargo builds.
pub fn build(root: &Path, target: &Path) -> Result<Peers> {
    install_peers()?;
    let (sources, built) = (root.join("bench/peers"), target.join("peers"));
    let cqrs_es = build_cqrs_es(&sources.join("cqrs-es"), &built.join("cqrs-es"))?;
    let emmett = built.join("emmett");
    install_emmett(&sources.join("emmett"), &emmett)?;
    Ok(Peers { cqrs_es, emmett })
}

fn build_cqrs_es(sources: &Path, target: &Path) -> Result<PathBuf> {
    let mut build = cargo();
    build.args(["build", "--release", "--locked", "--manifest-path"]);
    build.arg(sources.join("Cargo.toml")).arg("--target-dir").arg(target);
    match build.status().map_err(|error| format!("cargo build: {error}"))?.success() {
        true => Ok(target.join("release/cqrs-es-peer")),
        false => Err("cargo build of the peer on cqrs-es failed".to_owned()),
    }
}

/// Copies the sources, so that no packages of others lie among Waybill's files, and fetches what their
/// lock file names.
fn install_emmett(sources: &Path, target: &Path) -> Result<()> {
    std::fs::create_dir_all(target).map_err(|error| format!("{}: {error}", target.display()))?;
    let mut copy = Command::new("cp");
    copy.args(["-r", "--"]).args(SOURCES.map(|name| sources.join(name)));
    run(copy.arg(target))?;
    let mut npm = Command::new("npm");
    npm.args(["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"]);
    run(npm.current_dir(target))
}
