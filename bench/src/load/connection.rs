//! A connection that sends a request and reads of its answer what is needed: the status, and how long
//! the answer is.

use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub struct Connection {
    address: String,
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// Opens so many connections to `http://<address>`.
pub async fn connect(url: &str, count: usize) -> Result<Vec<Connection>> {
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        connections.push(Connection::open(address).await?);
    }
    Ok(connections)
}

/// Sends the request on each connection and reads its answer: then the server has accepted them all.
pub async fn greet(connections: &mut [Connection], request: &[u8]) -> Result<()> {
    for connection in connections {
        connection.exchange(request).await?;
    }
    Ok(())
}

impl Connection {
    async fn open(address: &str) -> Result<Self> {
        let stream = open(address).await?;
        Ok(Self { address: address.to_owned(), stream, buffer: Vec::with_capacity(64 << 10) })
    }

    /// Takes the place of a connection that broke.
    pub async fn reopen(&mut self) -> Result<()> {
        self.stream = open(&self.address).await?;
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

async fn open(address: &str) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
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
    use super::*;

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
