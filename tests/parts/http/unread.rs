//! Answers that are made before the body is there: they get to the client, and so does the next one.

use std::time::Duration;

use shared::http::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::connections::{LONG, Server, patient, rest, status};

const NEXT: &str = "GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

fn post(path: &str, length: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n")
}

/// What has come once the header of an answer has.
async fn header(connection: &mut TcpStream) -> String {
    let mut all = vec![];
    while !String::from_utf8_lossy(&all).contains("\r\n\r\n") {
        let read = timeout(LONG / 2, connection.read_buf(&mut all)).await;
        assert_ne!(read.expect("an answer comes").unwrap(), 0, "closed without an answer");
    }
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_goes_on_once_the_body_is_there() {
    let server = Server::start(patient()).await;
    let long = (1 << 20) + 1;
    for (path, length, at_first, expected) in [
        ("/nothing", 100, 0, 404),
        ("/livez", 100, 50, 405),
        ("/length", 4 << 20, long, 413),
        ("/length", 16 << 20, long, 413),
    ] {
        let what = format!("{path} {length}");
        let mut connection = server.send(&post(path, length)).await;
        connection.write_all(&vec![b'x'; at_first]).await.unwrap();
        let answer = header(&mut connection).await;
        assert_eq!(status(&answer), Some(expected), "{what}: {answer}");
        assert!(!answer.to_ascii_lowercase().contains("connection: close"), "{what}: {answer}");
        connection.write_all(&vec![b'x'; length - at_first]).await.unwrap();
        connection.write_all(NEXT.as_bytes()).await.unwrap();
        let next = rest(connection).await;
        assert!(next.contains("HTTP/1.1 200 OK"), "{what}: {next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_to_send_its_body_is_told_that_the_connection_ends() {
    let server = Server::start(patient()).await;
    let waiting = |path| post(path, 100).replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n");
    let refused = rest(server.send(&waiting("/nothing")).await).await;
    assert_eq!(status(&refused), Some(404), "{refused}");
    assert!(refused.to_ascii_lowercase().contains("connection: close"), "{refused}");
    let mut taken = server.send(&waiting("/length")).await;
    assert_eq!(status(&header(&mut taken).await), Some(100));
    taken.write_all(&[b'x'; 100]).await.unwrap();
    taken.write_all(NEXT.as_bytes()).await.unwrap();
    let answers = rest(taken).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_end_is_not_read_for_ever() {
    let server = Server::start(Limits { body: Duration::from_millis(300), ..patient() }).await;
    let mut late = server.send(&post("/nothing", 100)).await;
    assert_eq!(status(&header(&mut late).await), Some(404));
    rest(late).await;
    let server = Server::start(patient()).await;
    let mut long = server.send(&post("/nothing", 64 << 20)).await;
    assert_eq!(status(&header(&mut long).await), Some(404));
    let sent = timeout(LONG / 2, long.write_all(&vec![b'x'; 64 << 20])).await;
    assert!(sent.expect("the connection is closed").is_err(), "all of it was read");
}
