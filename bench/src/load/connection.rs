//! A connection that sends a request and reads of its answer what is needed: the status, and how long
//! the answer is.

use std::io::{Error, ErrorKind, Result};
use std::net::{Ipv4Addr, SocketAddrV4};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// Where connections within this machine come from, in turns. All of one address have room for 5,000 commands
/// in a service that asks for no tokens, which is less than overload takes.
const SOURCES: [Ipv4Addr; 2] = [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2)];

pub struct Connection {
    address: String,
    number: usize,
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// Opens so many connections to `http://<address>`; where there are several of these, with commas between, to
/// each its share.
pub async fn connect(urls: &str, count: usize) -> Result<Vec<Connection>> {
    let addresses: Vec<&str> = urls.split(',').map(host).collect();
    let mut connections = Vec::with_capacity(count);
    for number in 0..count {
        // Those of one service come from all sources.
        let address = addresses[number / SOURCES.len() % addresses.len()];
        connections.push(Connection::open(address, number).await?);
    }
    Ok(connections)
}

/// The name and the port in `http://<name>:<port>/`, of the first of several.
pub fn host(urls: &str) -> &str {
    let url = urls.split_once(',').map_or(urls, |(first, _)| first);
    url.trim_start_matches("http://").trim_end_matches('/')
}

/// Sends the request on each connection and reads its answer: then the server has accepted them all.
pub async fn greet(connections: &mut [Connection], request: &[u8]) -> Result<()> {
    for connection in connections {
        connection.exchange(request).await?;
    }
    Ok(())
}

impl Connection {
    async fn open(address: &str, number: usize) -> Result<Self> {
        let stream = open(address, number).await?;
        let buffer = Vec::with_capacity(64 << 10);
        Ok(Self { address: address.to_owned(), number, stream, buffer })
    }

    /// Takes the place of a connection that broke, and comes from where that came from.
    pub async fn reopen(&mut self) -> Result<()> {
        self.stream = open(&self.address, self.number).await?;
        Ok(())
    }

    /// Sends a request and reads its answer to the end; returns the status.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<u16> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if let Some((status, length)) = parse(&self.buffer)?
                && self.buffer.len() >= length
            {
                return Ok(status);
            }
        }
    }
}

async fn open(address: &str, number: usize) -> Result<TcpStream> {
    let stream = match ends(address, number) {
        Some((from, to)) => {
            let socket = TcpSocket::new_v4()?;
            socket.bind(from.into())?;
            socket.connect(to.into()).await?
        }
        None => TcpStream::connect(address).await?,
    };
    stream.set_nodelay(true)?;
    // It ends by a reset, which leaves its port free: in TIME_WAIT for a minute each, thousands of connections a
    // load leave none after a few.
    stream.set_zero_linger()?;
    Ok(stream)
}

/// Both ends of the connection of this number, where it stays within this machine; the system chooses the
/// port it comes from.
fn ends(address: &str, number: usize) -> Option<(SocketAddrV4, SocketAddrV4)> {
    let to: SocketAddrV4 = address.parse().ok()?;
    let from = SocketAddrV4::new(SOURCES[number % SOURCES.len()], 0);
    to.ip().is_loopback().then_some((from, to))
}

/// The status of an answer and the length of all of it, once its head is there.
fn parse(answer: &[u8]) -> Result<Option<(u16, usize)>> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let broken = |why: &str| Error::new(ErrorKind::InvalidData, why.to_owned());
    let number = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.trim().parse::<usize>().ok();
    let status = answer.get(9..12).and_then(number).and_then(|status| u16::try_from(status).ok());
    let status = status.ok_or_else(|| broken("an answer has no status"))?;
    let name = b"content-length:";
    let lines = answer[..end].split(|byte| *byte == b'\n');
    let mut lengths = lines
        .filter(|line| line.len() > name.len() && line[..name.len()].eq_ignore_ascii_case(name));
    let length = lengths.next().and_then(|line| number(&line[name.len()..]));
    let length = length.ok_or_else(|| broken("an answer does not tell its length"))?;
    Ok(Some((status, end + 4 + length)))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn connections_within_a_machine_come_from_two_addresses_in_turns() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let mut connections = connect(&url, 4).await.unwrap();
        connections[1].reopen().await.unwrap();
        let mut from = vec![];
        for _ in 0..5 {
            from.push(listener.accept().await.unwrap().1.ip().to_string());
        }
        assert_eq!(from, ["127.0.0.1", "127.0.0.2", "127.0.0.1", "127.0.0.2", "127.0.0.2"]);
        for elsewhere in ["192.0.2.1:80", "[::1]:80", "localhost:80"] {
            assert_eq!(ends(elsewhere, 1), None, "{elsewhere}");
        }
    }

    #[test]
    fn status_and_length_are_read_from_the_head() {
        let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\netag: x\r\n\r\nhello";
        assert_eq!(parse(answer).unwrap(), Some((201, answer.len())));
        assert_eq!(parse(&answer[..answer.len() - 3]).unwrap(), Some((201, answer.len())));
        assert_eq!(parse(&answer[..30]).unwrap(), None);
        assert!(parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(parse(b"nonsense\r\ncontent-length: 1\r\n\r\n").is_err());
    }
}
