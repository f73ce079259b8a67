//! Random input: how many cases there are, where those are kept that once failed, and a running system that
//! is sent requests byte by byte.

mod client;
mod clients;

use std::process::Command;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, FileFailurePersistence};
use xtask::servers::Process;

pub use self::client::{Answer, Client, Request};
pub use self::clients::try_at_a_time;
use crate::memory::peak;
use crate::services::program;
use crate::stores::TempDir;

/// For the views to be made.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// So many cases, or as many as `PROPTEST_CASES` says. A case that fails is written to
/// `tests/regressions/<name>.txt`, which belongs into the repository, and is tried first from then on.
pub fn config(cases: u32, name: &str) -> Config {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    let file = format!("{}/regressions/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let file = FileFailurePersistence::Direct(Box::leak(file.into_boxed_str()));
    Config {
        cases: asked.unwrap_or(cases),
        failure_persistence: Some(Box::new(file)),
        max_shrink_iters: 2_000,
        ..Config::default()
    }
}

/// What is kept in `tests/corpus/<name>`: inputs that lie at an edge, each with the name of its file.
pub fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = format!("{}/corpus/{name}", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let read = |file: std::io::Result<std::fs::DirEntry>| {
        let path = file.expect("a file").path();
        (path.display().to_string(), std::fs::read(&path).expect("it is read"))
    };
    let mut kept: Vec<_> = files.map(read).collect();
    kept.sort();
    assert!(!kept.is_empty(), "{folder} is empty");
    kept
}

/// A text with some of its bytes replaced, left out, or put twice.
pub fn mutated(texts: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<Index>(), any::<u8>(), 0..4_u8);
    let changes = prop::collection::vec(change, 0..6);
    (prop::sample::select(texts), changes).prop_map(|(mut text, changes)| {
        for (at, byte, kind) in changes {
            let at = at.index(text.len().max(1));
            match kind {
                _ if at >= text.len() => text.push(byte),
                0 => text[at] = byte,
                1 => drop(text.remove(at)),
                2 => text.insert(at, byte),
                _ => text.truncate(at),
            }
        }
        text
    })
}

/// The embedded mode as a program.
pub struct Target {
    process: Process,
    addresses: Vec<String>,
    client: Client,
    _folder: TempDir,
}

impl Target {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same, with more variables.
    pub fn start_with(more: &[(&str, String)]) -> Self {
        let folder = TempDir::default();
        let file = folder.0.join("addresses");
        let mut command = Command::new(program("waybill"));
        command.env_clear().env("WAYBILL_DATA_DIR", folder.0.join("data"));
        for service in ["COMMAND", "QUERY", "PROJECTOR"] {
            command.env(format!("WAYBILL_{service}_LISTEN"), "127.0.0.1:0");
        }
        command.env("WAYBILL_ADDRESS_FILE", &file);
        command.envs(more.iter().map(|(name, value)| (name, value)));
        let process = Process::start("waybill", &folder.0, &mut command).expect("it starts");
        process.wait(|| file.exists()).expect("it listens");
        let told = std::fs::read_to_string(&file).expect("the addresses");
        let address = |line: &str| line.rsplit_once("//").expect("a URL").1.to_owned();
        let addresses: Vec<String> = told.lines().map(address).collect();
        let client = Client::new(addresses.clone());
        Self { process, addresses, client, _folder: folder }
    }

    /// Where a service listens: 0 takes commands, 1 answers queries, 2 is for operators.
    pub fn address(&self, service: usize) -> &str {
        &self.addresses[service]
    }

    /// Asks for orders with these headers until the views are there; tells the status of the answer.
    pub fn until_ready(&mut self, headers: Vec<(String, Vec<u8>)>) -> u16 {
        let (method, target) = ("GET".to_owned(), b"/orders?limit=1".to_vec());
        let ask = Request { service: 1, method, target, headers, body: vec![] };
        let started = Instant::now();
        loop {
            let status = self.send(&ask).expect("an answer").status;
            if status != 503 || started.elapsed() > START_TIMEOUT {
                return status;
            }
        }
    }

    /// Sends a request and reads its answer; the error says how the connection ended without one.
    pub fn send(&mut self, request: &Request) -> Result<Answer, String> {
        self.client.send(request)
    }

    /// Another client, with connections of its own.
    pub fn client(&self) -> Client {
        Client::new(self.addresses.clone())
    }

    /// Whether it has ended, which no request may bring about.
    pub fn has_ended(&self) -> bool {
        self.process.ended().is_some()
    }

    /// That it lives, never panicked, and took at most so much memory.
    pub fn check(&self, most: u64) {
        assert_eq!(self.process.ended(), None);
        let told = self.process.told();
        assert!(!told.contains("panicked"), "{told}");
        let peak = self.peak();
        assert!(peak <= most, "{} MiB of memory", peak >> 20);
    }

    /// The most memory that it took so far, in bytes.
    pub fn peak(&self) -> u64 {
        peak(self.process.id())
    }
}

/// Tells how many cases were tried, in how long.
pub struct Tried {
    pub what: &'static str,
    pub cases: u32,
    pub started: Instant,
}

impl Drop for Tried {
    fn drop(&mut self) {
        println!("{}: {} cases in {:?}", self.what, self.cases, self.started.elapsed());
    }
}
