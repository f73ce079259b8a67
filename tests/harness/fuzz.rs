//! Random input: how many cases there are, where those are kept that once failed, and a running system that
//! is sent requests byte by byte.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, FileFailurePersistence};
use xtask::servers::Process;

use crate::memory::peak;
use crate::services::program;
use crate::stores::TempDir;

/// For an answer.
const TIMEOUT: Duration = Duration::from_secs(20);
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

/// One request, as it is sent.
#[derive(Clone, PartialEq)]
pub struct Request {
    pub service: usize,
    pub method: String,
    pub target: Vec<u8>,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let start = &self.body[..self.body.len().min(2_000)];
        write!(f, "service {} {} ", self.service, self.method)?;
        write!(f, "{} ", self.target.escape_ascii())?;
        for (name, value) in &self.headers {
            write!(f, "{name}: {} ", value.escape_ascii())?;
        }
        write!(f, "{}", start.escape_ascii())
    }
}

impl Request {
    /// As it is kept in a file: service, method and target in the first line, a header in each of the next
    /// ones, and the body behind an empty line.
    pub fn read(kept: &[u8]) -> Self {
        let end = kept.windows(2).position(|two| two == b"\n\n").expect("an empty line");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        let mut lines = kept[..end].split(|byte| *byte == b'\n');
        let first = lines.next().expect("a first line");
        let words: Vec<&[u8]> = first.splitn(3, |byte| *byte == b' ').collect();
        let header = |line: &[u8]| {
            let colon = line.iter().position(|byte| *byte == b':').expect("a name");
            (text(&line[..colon]), line[colon + 1..].trim_ascii().to_vec())
        };
        Self {
            service: text(words[0]).parse().expect("a number"),
            method: text(words[1]),
            target: words[2].to_vec(),
            headers: lines.map(header).collect(),
            body: kept[end + 2..].to_vec(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} ", self.method).into_bytes();
        bytes.extend(&self.target);
        bytes.extend(b" HTTP/1.1\r\n");
        if !self.headers.iter().any(|(name, _)| name == "host") {
            bytes.extend(b"host: localhost\r\n");
        }
        for (name, value) in &self.headers {
            bytes.extend(format!("{name}: ").into_bytes());
            bytes.extend(value);
            bytes.extend(b"\r\n");
        }
        bytes.extend(format!("content-length: {}\r\n\r\n", self.body.len()).into_bytes());
        bytes.extend(&self.body);
        bytes
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    /// Empty where it does not end, as a stream of changes.
    pub body: Vec<u8>,
}

/// The embedded mode as a program.
pub struct Target {
    process: Process,
    addresses: Vec<String>,
    connections: [Option<BufReader<TcpStream>>; 3],
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
        let addresses = told.lines().map(address).collect();
        Self { process, addresses, connections: [const { None }; 3], _folder: folder }
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
        let bytes = request.bytes();
        if let Some(connection) = self.connections[request.service].take() {
            // The service may have closed it meanwhile, so an error counts on a new connection alone.
            if let Ok(answer) = self.ask(connection, request, &bytes) {
                return Ok(answer);
            }
        }
        let address = &self.addresses[request.service];
        let stream = TcpStream::connect(address).map_err(|error| format!("connecting: {error}"))?;
        let set = stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(TIMEOUT)));
        set.map_err(|error| error.to_string())?;
        self.ask(BufReader::new(stream), request, &bytes)
    }

    fn ask(
        &mut self,
        mut connection: BufReader<TcpStream>,
        request: &Request,
        bytes: &[u8],
    ) -> Result<Answer, String> {
        // A request that is refused early may not be read to its end.
        let sent = connection.get_mut().write_all(bytes);
        let mut head = String::new();
        let mut length = None;
        let mut closes = false;
        loop {
            let mut line = vec![];
            let read = connection.read_until(b'\n', &mut line);
            if read.is_err() || line.is_empty() {
                return Err(format!("no answer: {read:?}, {sent:?}, after {head:?}"));
            }
            let line = String::from_utf8_lossy(&line).to_ascii_lowercase();
            if line == "\r\n" {
                break;
            }
            if let Some(text) = line.strip_prefix("content-length: ") {
                length = text.trim().parse::<usize>().ok();
            }
            closes |= line.starts_with("connection: close");
            head.push_str(&line);
        }
        let status = head.split(' ').nth(1).and_then(|text| text.parse().ok());
        let status = status.ok_or_else(|| format!("no status: {head:?}"))?;
        let has_body = request.method != "HEAD" && status != 304 && status != 204;
        let mut body = vec![0; length.filter(|_| has_body).unwrap_or_default()];
        connection.read_exact(&mut body).map_err(|error| format!("{head}: {error}"))?;
        if !closes && sent.is_ok() && (length.is_some() || !has_body) {
            self.connections[request.service] = Some(connection);
        }
        Ok(Answer { status, head, body })
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
