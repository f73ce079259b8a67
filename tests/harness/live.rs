//! A client of `GET /live`.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use waybill::client::Client;

/// For the next event: longer than a keep-alive.
const EVENT_TIMEOUT: Duration = Duration::from_secs(30);

/// One event. The id is that of the latest event that had one.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveEvent {
    pub name: String,
    pub id: String,
    pub data: Value,
}

/// Reads events out of text as it comes.
#[derive(Debug, Default)]
pub struct Parser {
    id: String,
    name: String,
    data: String,
}

impl Parser {
    /// Takes one line without its end; an empty one may end an event.
    pub fn line(&mut self, line: &str) -> Option<LiveEvent> {
        if line.is_empty() {
            let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
            let data = serde_json::from_str(&data).ok()?;
            return Some(LiveEvent { name, id: self.id.clone(), data });
        }
        let (field, value) = line.split_once(": ").unwrap_or_default();
        match field {
            "id" => self.id = value.to_owned(),
            "event" => self.name = value.to_owned(),
            "data" => self.data.push_str(value),
            _ => {}
        }
        None
    }
}

/// An open stream of events.
pub struct LiveClient {
    stream: BufReader<TcpStream>,
    parser: Parser,
}

impl LiveClient {
    /// Opens a stream, from behind the event `last` where that is given.
    pub async fn open(client: &Client, path: &str, last: Option<&str>) -> Self {
        let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        Self::open_saying(client, path, &last).await
    }

    /// Opens a stream with this token, from behind the event `last` where that is given.
    pub async fn open_with(client: &Client, path: &str, token: &str, last: Option<&str>) -> Self {
        let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        let headers = format!("Authorization: Bearer {token}\r\n{last}");
        Self::open_saying(client, path, &headers).await
    }

    async fn open_saying(client: &Client, path: &str, headers: &str) -> Self {
        let address = client.base().trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        // HTTP/1.0: the body comes as it is.
        let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.expect("it is sent");
        let mut client = Self { stream: BufReader::new(stream), parser: Parser::default() };
        let status = client.line().await.expect("an answer");
        assert!(status.contains(" 200 "), "{status}");
        while client.line().await.is_some_and(|line| !line.is_empty()) {}
        client
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = tokio::time::timeout(EVENT_TIMEOUT, self.stream.read_line(&mut line));
        let read = read.await.expect("something in time").unwrap_or(0);
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// The next event; none when the stream has ended.
    pub async fn try_next(&mut self) -> Option<LiveEvent> {
        loop {
            let line = self.line().await?;
            if let Some(event) = self.parser.line(&line) {
                return Some(event);
            }
        }
    }

    /// The next event of this name.
    pub async fn next(&mut self, name: &str) -> LiveEvent {
        loop {
            let event = self.try_next().await.expect("the stream goes on");
            if event.name == name {
                return event;
            }
        }
    }

    /// The next event that tells of this stream's view; others may change meanwhile.
    pub async fn view_of(&mut self, stream: &str) -> LiveEvent {
        loop {
            let event = self.next("view").await;
            if event.data["stream"].as_str() == Some(stream) {
                return event;
            }
        }
    }
}
