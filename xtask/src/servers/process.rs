//! A server as a process of its own, with everything it starts.

use std::fs::File;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;

/// Names the folder in the environment of every process of a run.
pub const MARKER: &str = "WAYBILL_RUN_FOLDER";

/// Longest start of a server.
const PATIENCE: Duration = Duration::from_secs(60);

/// Longest stop of a server or service.
const GRACE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
    output: PathBuf,
}

impl Process {
    /// Starts a command in its own process group; what it prints goes to `<folder>/output`.
    pub fn start(name: &'static str, folder: &Path, command: &mut Command) -> Result<Self> {
        let output = folder.join("output");
        let open = || File::options().create(true).append(true).open(&output);
        let broken = |error: std::io::Error| format!("starting {name}: {error}");
        let child = command
            .process_group(0)
            .env(MARKER, folder)
            .stdin(Stdio::null())
            .stdout(open().map_err(broken)?)
            .stderr(open().map_err(broken)?)
            .spawn()
            .map_err(broken)?;
        Ok(Self { name, child, output })
    }

    /// Waits until `ready` says so.
    pub fn wait(&mut self, mut ready: impl FnMut() -> bool) -> Result<()> {
        let started = Instant::now();
        while !ready() {
            let ended = self.child.try_wait().ok().flatten();
            if ended.is_some() || started.elapsed() > PATIENCE {
                let told = std::fs::read_to_string(&self.output).unwrap_or_default();
                let why =
                    ended.map_or("it does not answer".to_owned(), |status| status.to_string());
                let name = self.name;
                return Err(format!("{name} did not start: {why}\n{told}"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The file with what it prints.
    pub fn output(&self) -> &Path {
        &self.output
    }

    /// What happened, if it ended by itself.
    pub fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok().flatten()?;
        let told = std::fs::read_to_string(&self.output).unwrap_or_default();
        Some(format!("{} ended: {status}\n{told}", self.name))
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the process and all it started.
    pub fn signal(&self, signal: &str) {
        let group = format!("-{}", self.child.id());
        drop(Command::new("kill").args([&format!("-{signal}"), "--", &group]).output());
    }

    /// Ends it at once, as a loss of power would.
    pub fn kill(&mut self) {
        self.signal("KILL");
        drop(self.child.wait());
    }

    /// Lets it end by itself; after half a minute it is killed.
    pub fn stop(&mut self) {
        self.signal("TERM");
        self.wait_for_end();
    }

    /// Lets all end by themselves, side by side.
    pub fn stop_all(all: &mut [Self]) {
        all.iter().for_each(|one| one.signal("TERM"));
        all.iter_mut().for_each(Self::wait_for_end);
    }

    fn wait_for_end(&mut self) {
        let started = Instant::now();
        while self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            if started.elapsed() > GRACE {
                return self.kill();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.signal("KILL"); // What it started and left.
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

pub fn accepts(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}
