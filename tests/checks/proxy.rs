//! The proxy that stands for a bad network does what it says.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tests::let_pass;
use tests::proxy::Proxy;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How long nothing must come.
const SILENCE: Duration = Duration::from_millis(300);

/// The buffers on the way fill meanwhile. Nothing tells of it; bytes must come back in any case.
const FILL: Duration = Duration::from_millis(700);

/// A server that sends back what it gets, and tells the test of it.
async fn echo() -> (SocketAddr, UnboundedReceiver<Vec<u8>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, tell.clone()));
        }
    });
    (address, told)
}

async fn answer(mut stream: TcpStream, tell: UnboundedSender<Vec<u8>>) {
    let mut buffer = vec![0; 4_096];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        drop(tell.send(buffer[..length].to_vec()));
        if stream.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

async fn send(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

async fn get(stream: &mut TcpStream, length: usize) -> String {
    let mut text = vec![0; length];
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_exact(&mut text));
    read.await.expect("an answer").unwrap();
    String::from_utf8(text).unwrap()
}

/// What is sent comes back.
async fn works(stream: &mut TcpStream, text: &str) {
    send(stream, text).await;
    assert_eq!(get(stream, text.len()).await, text);
}

async fn is_silent(stream: &mut TcpStream) {
    let mut byte = [0];
    let read = tokio::time::timeout(SILENCE, stream.read(&mut byte)).await;
    assert!(read.is_err(), "{read:?} came through");
}

async fn has_ended(stream: &mut TcpStream) {
    let mut byte = [0];
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut byte)).await;
    assert!(matches!(read, Ok(Ok(0) | Err(_))), "{read:?} instead of an end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stall_holds_everything_back_and_loses_nothing() {
    let (server, mut told) = echo().await;
    let proxy = Proxy::start(server);
    let mut old = connect(&proxy).await;
    works(&mut old, "before").await;
    assert_eq!(told.recv().await.unwrap(), b"before");
    proxy.stall();
    let mut new = connect(&proxy).await;
    send(&mut old, "one").await;
    send(&mut new, "two").await;
    is_silent(&mut old).await;
    is_silent(&mut new).await;
    assert!(told.try_recv().is_err(), "something reached the server");
    proxy.resume();
    assert_eq!((get(&mut old, 3).await, get(&mut new, 3).await), ("one".into(), "two".into()));
    works(&mut old, "after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rewritten_is_what_the_server_answers_alone() {
    let (server, mut told) = echo().await;
    let proxy = Proxy::start(server);
    let mut stream = connect(&proxy).await;
    works(&mut stream, "a=123").await;
    assert_eq!(told.recv().await.unwrap(), b"a=123");
    proxy.rewrite(b"a=", b"no");
    proxy.rewrite(b"a=", b"xy");
    send(&mut stream, "a=123 b=4 a=5 a=").await;
    assert_eq!(get(&mut stream, 16).await, "a=xy3 b=4 a=xya=");
    assert_eq!(told.recv().await.unwrap(), b"a=123 b=4 a=5 a=");
}

#[tokio::test(flavor = "multi_thread")]
async fn stalls_in_the_midst_of_much_data_lose_and_reorder_nothing() {
    let (server, _told) = echo().await;
    let proxy = Proxy::start(server);
    let data: Vec<u8> = (0..8_000_000_u32).map(|n| (n % 251) as u8).collect();
    let (mut from, mut to) = connect(&proxy).await.into_split();
    let sent = data.clone();
    let sender = tokio::spawn(async move { to.write_all(&sent).await.map(|()| to) });
    let mut got = vec![0; data.len()];
    for (part, stalls) in got.chunks_mut(data.len() / 4).zip([true, false, true, false]) {
        from.read_exact(&mut part[..1]).await.unwrap();
        match stalls {
            true => proxy.stall(),
            false => proxy.withhold(),
        }
        let_pass(FILL).await;
        proxy.resume();
        from.read_exact(&mut part[1..]).await.unwrap();
    }
    assert!(got == data, "other bytes came back");
    drop(sender.await.unwrap().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_withheld_is_what_the_server_answers() {
    let (server, mut told) = echo().await;
    let proxy = Proxy::start(server);
    let mut stream = connect(&proxy).await;
    proxy.withhold();
    send(&mut stream, "one").await;
    assert_eq!(told.recv().await.unwrap(), b"one");
    is_silent(&mut stream).await;
    proxy.resume();
    assert_eq!(get(&mut stream, 3).await, "one");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connection_that_is_lost_is_the_one_that_sends_the_text() {
    let (server, mut told) = echo().await;
    let proxy = Proxy::start(server);
    let (mut one, mut other) = (connect(&proxy).await, connect(&proxy).await);
    proxy.lose("text");
    works(&mut other, "another tex").await;
    assert_eq!(told.recv().await.unwrap(), b"another tex");
    works(&mut one, "some te").await;
    assert_eq!(told.recv().await.unwrap(), b"some te");
    assert!(!proxy.has_lost());
    send(&mut one, "xt").await;
    assert_eq!(told.recv().await.unwrap(), b"xt", "it arrives");
    assert!(proxy.has_lost());
    is_silent(&mut one).await;
    proxy.resume();
    is_silent(&mut one).await;
    works(&mut other, "t, text").await;
    works(&mut connect(&proxy).await, "text").await;
    proxy.cut();
    has_ended(&mut one).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_ends_what_is_connected_and_loses_what_was_held() {
    let (server, mut told) = echo().await;
    let proxy = Proxy::start(server);
    let mut old = connect(&proxy).await;
    proxy.withhold();
    send(&mut old, "one").await;
    assert_eq!(told.recv().await.unwrap(), b"one");
    proxy.cut();
    proxy.resume();
    has_ended(&mut old).await;
    let mut new = connect(&proxy).await;
    works(&mut new, "two").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_refused_hears_it_at_once() {
    let (server, _told) = echo().await;
    let proxy = Proxy::start(server);
    let mut old = connect(&proxy).await;
    works(&mut old, "one").await;
    proxy.refuse();
    has_ended(&mut old).await;
    has_ended(&mut connect(&proxy).await).await;
    proxy.resume();
    works(&mut connect(&proxy).await, "two").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_with_its_guard_and_with_its_server() {
    let (server, _told) = echo().await;
    let proxy = Proxy::start(server);
    let mut stream = connect(&proxy).await;
    works(&mut stream, "one").await;
    let address = proxy.address();
    drop(proxy);
    has_ended(&mut stream).await;
    tests::until("nothing listens", || async {
        TcpStream::connect(address).await.is_err().then_some(())
    })
    .await;
    // Nothing listens there now: the proxy ends each connection to it.
    has_ended(&mut connect(&Proxy::start(address)).await).await;
}
