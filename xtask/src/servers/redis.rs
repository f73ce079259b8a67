//! redis-server, with an append-only file.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Port, Process};
use crate::Result;

/// Copies that Redis may spoil by replacing its files meanwhile.
const COPIES: u32 = 100;

#[derive(Debug)]
pub struct Redis {
    pub process: Process,
    folder: PathBuf,
    port: Port,
}

impl Redis {
    pub fn start(folder: &Path) -> Result<Self> {
        let port = Port::reserve()?;
        Ok(Self { process: start(folder, port.number())?, folder: folder.to_owned(), port })
    }

    /// Starts it again after it was stopped or killed, on the same data and port.
    pub fn restart(&mut self) -> Result<()> {
        self.process = start(&self.folder, self.port())?;
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
        format!("redis://127.0.0.1:{}/", self.port())
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

fn start(folder: &Path, port: u16) -> Result<Process> {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--dir"]).arg(folder);
    command.args(["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]);
    // The views grow fast under load: rewriting from the default of 64 MB on takes a sixth of the time.
    command.args(["--auto-aof-rewrite-min-size", "256mb"]);
    let process = Process::start("Redis", folder, &mut command)?;
    process.wait(|| answers(port).is_some())?;
    Ok(process)
}

/// A PING is refused while the data is being loaded.
fn answers(port: u16) -> Option<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    stream.write_all(b"PING\r\n").ok()?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).ok()?;
    (&answer == b"+PONG").then_some(())
}
