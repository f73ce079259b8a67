//! redis-server, with an append-only file.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Process, free_port};
use crate::Result;

#[derive(Debug)]
pub struct Redis {
    pub process: Process,
    folder: PathBuf,
    port: u16,
}

impl Redis {
    pub fn start(folder: &Path) -> Result<Self> {
        let port = free_port()?;
        Ok(Self { process: start(folder, port)?, folder: folder.to_owned(), port })
    }

    /// Starts it again after it was stopped or killed, on the same data and port.
    pub fn restart(&mut self) -> Result<()> {
        self.process = start(&self.folder, self.port)?;
        Ok(())
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

fn start(folder: &Path, port: u16) -> Result<Process> {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--dir"]).arg(folder);
    command.args(["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]);
    let mut process = Process::start("Redis", folder, &mut command)?;
    process.wait(|| answers(port).is_some())?;
    Ok(process)
}

/// A PING is refused while the data is being loaded.
fn answers(port: u16) -> Option<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.write_all(b"PING\r\n").ok()?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).ok()?;
    (&answer == b"+PONG").then_some(())
}
