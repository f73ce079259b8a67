//! A client that sends requests byte by byte.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// For an answer.
const TIMEOUT: Duration = Duration::from_secs(20);

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

    /// What `read` reads: as a file of the corpus has it.
    pub fn kept(&self) -> Vec<u8> {
        let mut kept = format!("{} {} ", self.service, self.method).into_bytes();
        kept.extend(&self.target);
        for (name, value) in &self.headers {
            kept.extend(format!("\n{name}: ").into_bytes());
            kept.extend(value);
        }
        kept.extend(b"\n\n");
        kept.extend(&self.body);
        kept
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

/// Sends one request after another, on a connection to each service that is kept while it can be.
pub struct Client {
    addresses: Vec<String>,
    connections: [Option<BufReader<TcpStream>>; 3],
}

impl Client {
    pub(super) fn new(addresses: Vec<String>) -> Self {
        Self { addresses, connections: [const { None }; 3] }
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
}
