//! redis-server, with an append-only file.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Certificates, Port, Process, wire};
use crate::Result;

/// Copies that Redis may spoil by replacing its files meanwhile.
const COPIES: u32 = 100;

#[derive(Debug)]
pub struct Redis {
    pub process: Process,
    folder: PathBuf,
    port: Port,
    tls: Option<Certificates>,
}

impl Redis {
    pub fn start(folder: &Path) -> Result<Self> {
        Self::start_with(folder, None)
    }

    pub(super) fn start_with(folder: &Path, tls: Option<&Certificates>) -> Result<Self> {
        let port = Port::reserve()?;
        let process = start(folder, port.number(), tls)?;
        Ok(Self { process, folder: folder.to_owned(), port, tls: tls.cloned() })
    }

    /// Starts it again after it was stopped or killed, on the same data and port.
    pub fn restart(&mut self) -> Result<()> {
        self.process = start(&self.folder, self.port(), self.tls.as_ref())?;
        Ok(())
    }

    /// Puts a copy of its data aside. Appends that arrive meanwhile may be cut off in it, as after a
    /// loss of power.
    pub fn copy(&self, aside: &Path) -> Result<()> {
        copy(&self.folder, aside)
    }

    /// Ends it at once, and starts it on what was put aside.
    pub fn restart_from(&mut self, aside: &Path) -> Result<()> {
        self.process.kill();
        let data = self.folder.join("appendonlydir");
        std::fs::remove_dir_all(&data).map_err(|e| format!("{}: {e}", data.display()))?;
        copy(aside, &self.folder)?;
        self.restart()
    }

    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "rediss" } else { "redis" };
        format!("{scheme}://127.0.0.1:{}/", self.port())
    }

    pub fn port(&self) -> u16 {
        self.port.number()
    }
}

/// The append-only file is a folder of files. Redis may replace some of them while they are copied:
/// then it is copied again.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let (from, to) = (from.join("appendonlydir"), to.join("appendonlydir"));
    let mut tries = 0;
    loop {
        match copy_all(&from, &to) {
            Err(error) if error.kind() == ErrorKind::NotFound && tries < COPIES => tries += 1,
            done => return done.map_err(|error| format!("{}: {error}", from.display())),
        }
    }
}

fn copy_all(from: &Path, to: &Path) -> std::io::Result<()> {
    if to.exists() {
        std::fs::remove_dir_all(to)?;
    }
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

fn start(folder: &Path, port: u16, tls: Option<&Certificates>) -> Result<Process> {
    let mut command = Command::new("redis-server");
    let number = port.to_string();
    match tls {
        None => command.args(["--port", &number]),
        Some(certificates) => command
            .args(["--port", "0", "--tls-port", &number, "--tls-auth-clients", "yes"])
            .arg("--tls-cert-file")
            .arg(&certificates.server.certificate)
            .arg("--tls-key-file")
            .arg(&certificates.server.key)
            .arg("--tls-ca-cert-file")
            .arg(&certificates.ca),
    };
    command.args(["--bind", "127.0.0.1", "--dir"]).arg(folder);
    command.args(["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]);
    // The views grow fast under load: rewriting from the default of 64 MB on takes a sixth of the time.
    command.args(["--auto-aof-rewrite-min-size", "256mb"]);
    let process = Process::start("Redis", folder, &mut command)?;
    process.wait(|| answers(port, tls).is_some())?;
    Ok(process)
}

/// A PING is refused while the data is being loaded.
fn answers(port: u16, tls: Option<&Certificates>) -> Option<()> {
    let mut stream = wire::connect(port, Duration::from_secs(2), tls).ok()?;
    stream.write_all(b"PING\r\n").ok()?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).ok()?;
    (&answer == b"+PONG").then_some(())
}
