//! `cargo xtask up`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use xtask::Result;
use xtask::install::install;
use xtask::programs::cargo;
use xtask::servers::{Folder, Process, Servers};

/// Between two looks whether a service ended, or Ctrl-C was pressed.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

const URLS: [&str; 3] = ["WAYBILL_MONGODB_URL", "WAYBILL_RABBITMQ_URL", "WAYBILL_REDIS_URL"];

/// Starts everything and waits for Ctrl-C.
pub fn up(projectors: usize, command_apis: usize) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = stop.clone();
    ctrlc::set_handler(move || stopping.store(true, Ordering::SeqCst))
        .map_err(|e| e.to_string())?;
    let servers = servers()?;
    let binaries = build()?;
    let folder = Folder::new()?;
    let variables: Vec<(&str, String)> = servers.iter().flat_map(Servers::variables).collect();
    let pages = dashboard_origins();
    let start = |name: &'static str, index: usize, listen: &str, links: &[(&str, String)]| {
        let folder = folder.path(&format!("{name}-{index}"))?;
        let addresses = folder.join("addresses");
        let mut command = Command::new(binaries.join(name));
        command.envs(variables.iter().map(|(name, url)| (*name, url)));
        command.env("WAYBILL_ADDRESS_FILE", &addresses);
        for (name, value) in links.iter().chain([&("WAYBILL_CORS_ORIGINS", pages.clone())]) {
            if std::env::var_os(name).is_none() {
                command.env(name, value);
            }
        }
        if index > 0 {
            command.env(listen, "127.0.0.1:0");
        }
        let process = Process::start(name, &folder, &mut command)?;
        process.wait(|| addresses.exists())?;
        let told = std::fs::read_to_string(&addresses);
        let told = told.map_err(|error| format!("{}: {error}", addresses.display()))?;
        Ok::<_, String>(Started { process, address: told.trim_end().to_owned() })
    };
    let mut services = vec![];
    for index in 0..command_apis {
        services.push(start("command-api", index, "WAYBILL_COMMAND_LISTEN", &[])?);
    }
    for index in 0..projectors {
        services.push(start("projector", index, "WAYBILL_PROJECTOR_LISTEN", &[])?);
    }
    let links = links(&services);
    services.push(start("query-api", 0, "WAYBILL_QUERY_LISTEN", &links)?);
    tell(&variables, &services);
    while !stop.load(Ordering::SeqCst) {
        if let Some(ended) = services.iter().find_map(|started| started.process.ended()) {
            return Err(ended);
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    println!("stopping");
    Process::stop_all(services.iter().map(|started| &started.process));
    Ok(())
}

/// Private ones, or none where the environment names others.
fn servers() -> Result<Option<Servers>> {
    let is_set = |name: &str| std::env::var_os(name).is_some();
    let named = URLS.iter().filter(|name| is_set(name) || is_set(&format!("{name}_FILE"))).count();
    match named {
        0 => {
            install()?;
            Ok(Some(Servers::start()?))
        }
        3 => Ok(None),
        _ => {
            let names = URLS.join(", ");
            Err(format!("set all of {names} (or the same with _FILE), or none of them"))
        }
    }
}

/// Where the dashboard finds the other services.
fn links(services: &[Started]) -> Vec<(&'static str, String)> {
    let of = |what: &str| {
        let addresses = services.iter().filter_map(|started| started.address.split_once(' '));
        addresses.filter(|(is, _)| *is == what).map(|(_, url)| url.to_owned()).next()
    };
    let variables = [("WAYBILL_COMMAND_URL", "commands"), ("WAYBILL_PROJECTOR_URL", "operations")];
    variables.into_iter().filter_map(|(name, what)| Some((name, of(what)?))).collect()
}

/// The origins of the dashboard's page, which asks the other services.
fn dashboard_origins() -> String {
    let listen = std::env::var("WAYBILL_QUERY_LISTEN").unwrap_or_default();
    let port = listen.rsplit_once(':').map_or("8081", |(_, port)| port);
    format!("http://127.0.0.1:{port},http://localhost:{port}")
}

struct Started {
    process: Process,
    /// What it is for, and where it listens: `commands http://…`.
    address: String,
}

fn build() -> Result<PathBuf> {
    let status = cargo()
        .args([
            "build",
            "--release",
            "--bins",
            "-p",
            "command-api",
            "-p",
            "projector",
            "-p",
            "query-api",
            "-p",
            "waybill",
        ])
        .status();
    match status.map_err(|error| format!("cargo build: {error}"))?.success() {
        true => Ok(target().join("release")),
        false => Err("cargo build failed".to_owned()),
    }
}

/// The workspace's target folder: this program lies in it.
pub fn target() -> PathBuf {
    let folder =
        std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.parent()?.to_owned()));
    folder.unwrap_or_else(|| Path::new("target").to_owned())
}

fn tell(variables: &[(&str, String)], services: &[Started]) {
    println!("Waybill is starting, {} services on real servers.", services.len());
    for started in services {
        let (what, address) = started.address.split_once(' ').unwrap_or_default();
        match what {
            "queries" => {
                println!("  dashboard    {address}/");
                println!("  queries      {address}/orders");
            }
            "commands" => println!("  commands     {address}/orders"),
            _ => println!("  operations   {address}/generations"),
        }
    }
    for (name, url) in variables {
        println!("  {name}={url}");
    }
    for Started { process, .. } in services {
        println!("  {} writes to {}", process.name(), process.output().display());
    }
    println!("Ctrl-C stops it.");
}
