//! A server as a process of its own, with everything it starts.

use std::fs::File;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::Result;

/// Names the folder in the environment of every process of a run.
pub const MARKER: &str = "WAYBILL_RUN_FOLDER";

/// Longest start of a server.
const START_TIMEOUT: Duration = Duration::from_secs(180);

/// Longest stop of a server or service.
const GRACE: Duration = Duration::from_secs(30);

/// Between two looks at a process: the kernel tells a parent of a child's end by SIGCHLD alone.
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub struct Process {
    name: &'static str,
    id: u32,
    child: Mutex<Child>,
    /// Whether its end was asked for.
    asked: AtomicBool,
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
        let (id, child) = (child.id(), Mutex::new(child));
        Ok(Self { name, id, child, asked: AtomicBool::new(false), output })
    }

    /// Waits until `ready` says so; an error as soon as the process has ended.
    pub fn wait(&self, mut ready: impl FnMut() -> bool) -> Result<()> {
        let started = Instant::now();
        while !ready() {
            let ended = self.status();
            if ended.is_some() || started.elapsed() > START_TIMEOUT {
                let why =
                    ended.map_or("it does not answer".to_owned(), |status| status.to_string());
                return Err(format!("{} did not start: {why}\n{}", self.name, self.told()));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// How it ended, once it has.
    fn status(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait().ok().flatten()
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The file with what it prints.
    pub fn output(&self) -> &Path {
        &self.output
    }

    /// What it wrote so far.
    pub fn told(&self) -> String {
        let bytes = std::fs::read(&self.output).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// What happened, if it ended and `kill` or `stop` did not ask for it.
    pub fn ended(&self) -> Option<String> {
        let asked = self.asked.load(Ordering::SeqCst);
        let status = self.status().filter(|_| !asked)?;
        Some(format!("{} ended: {status}\n{}", self.name, self.told()))
    }

    pub fn id(&self) -> u32 {
        self.id
    }

    /// Sends a signal to the process and all it started.
    pub fn signal(&self, signal: &str) {
        let group = format!("-{}", self.id);
        drop(Command::new("kill").args([&format!("-{signal}"), "--", &group]).output());
    }

    /// Ends it at once, as a loss of power would.
    pub fn kill(&self) {
        self.asked.store(true, Ordering::SeqCst);
        self.signal("KILL");
        drop(self.child.lock().unwrap_or_else(PoisonError::into_inner).wait());
    }

    /// Lets it end by itself; after half a minute it is killed.
    pub fn stop(&self) {
        self.ask();
        self.wait_for_end();
    }

    fn ask(&self) {
        self.asked.store(true, Ordering::SeqCst);
        self.signal("TERM");
    }

    /// Lets all end by themselves, side by side.
    pub fn stop_all<'a>(all: impl Iterator<Item = &'a Self> + Clone) {
        all.clone().for_each(Self::ask);
        all.for_each(Self::wait_for_end);
    }

    fn wait_for_end(&self) {
        let started = Instant::now();
        while self.status().is_none() {
            if started.elapsed() > GRACE {
                return self.kill();
            }
            std::thread::sleep(PAUSE);
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
