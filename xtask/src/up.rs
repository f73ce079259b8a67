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

const URLS: [&str; 3] = ["WAYBILL_MONGODB_URL", "WAYBILL_RABBITMQ_URL", "WAYBILL_REDIS_URL"];

/// Starts everything and waits for Ctrl-C.
pub fn up(projectors: usize, command_apis: usize) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = stop.clone();
    ctrlc::set_handler(move || stopping.store(true, Ordering::SeqCst))
        .map_err(|e| e.to_string())?;
    let named = URLS.iter().filter(|name| std::env::var_os(name).is_some()).count();
    let servers = match named {
        0 => {
            install()?;
            Some(Servers::start()?)
        }
        3 => None,
        _ => return Err(format!("set all of {}, or none of them", URLS.join(", "))),
    };
    let binaries = build()?;
    let folder = Folder::new()?;
    let variables: Vec<(&str, String)> = servers.iter().flat_map(Servers::variables).collect();
    let start = |name: &'static str, index: usize, listen: &str| {
        let mut command = Command::new(binaries.join(name));
        command.envs(variables.iter().map(|(name, url)| (*name, url)));
        if index > 0 {
            command.env(listen, "127.0.0.1:0");
        }
        Process::start(name, &folder.path(&format!("{name}-{index}"))?, &mut command)
    };
    let mut services = vec![];
    for index in 0..command_apis {
        services.push(start("command-api", index, "WAYBILL_COMMAND_LISTEN")?);
    }
    for index in 0..projectors {
        services.push(start("projector", index, "WAYBILL_PROJECTOR_LISTEN")?);
    }
    services.push(start("query-api", 0, "WAYBILL_QUERY_LISTEN")?);
    tell(&variables, &services);
    while !stop.load(Ordering::SeqCst) {
        if let Some(ended) = services.iter_mut().find_map(Process::ended) {
            return Err(ended);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    println!("stopping");
    Process::stop_all(&mut services);
    Ok(())
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
fn target() -> PathBuf {
    let folder =
        std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.parent()?.to_owned()));
    folder.unwrap_or_else(|| Path::new("target").to_owned())
}

fn tell(variables: &[(&str, String)], services: &[Process]) {
    let listen =
        |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    println!("Waybill is starting, {} services on real servers.", services.len());
    println!("  dashboard    http://{}/", listen("WAYBILL_QUERY_LISTEN", "127.0.0.1:8081"));
    println!("  commands     http://{}/orders", listen("WAYBILL_COMMAND_LISTEN", "127.0.0.1:8080"));
    println!("  queries      http://{}/orders", listen("WAYBILL_QUERY_LISTEN", "127.0.0.1:8081"));
    println!(
        "  operations   http://{}/generations",
        listen("WAYBILL_PROJECTOR_LISTEN", "127.0.0.1:8082")
    );
    for (name, url) in variables {
        println!("  {name}={url}");
    }
    for service in services {
        println!("  {} writes to {}", service.name(), service.output().display());
    }
    println!("Ctrl-C stops it.");
}
