//! As many connections as a service has places for, all at once, to a service as a process of its own.

use std::net::SocketAddr;
use std::time::Duration;

use futures::future::join_all;
use shared::http::Limits;
use shared::service::open_files;
use tests::services::{Service, Urls};
use tests::{Own, until};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::connections::{rest, status};

/// Connections that are opened at a time: fewer than the kernel keeps for a listener.
const TOGETHER: usize = 250;
/// For all of them.
const TIME: Duration = Duration::from_secs(120);

async fn ask(address: SocketAddr, path: &str) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    // It may be closed by now.
    let _sent = connection.write_all(request.as_bytes()).await.is_ok();
    rest(connection).await
}

fn is_open(connection: &TcpStream) -> bool {
    let read = connection.try_read(&mut [0]);
    read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

/// Holds all places that a service has by default, 10,000 where the process may open as many files. Those
/// that send no header are closed after 10 s, and others are opened in their place.
async fn all_places(address: SocketAddr, places: usize) -> Vec<TcpStream> {
    let (began, taken) = (Instant::now(), format!("{places} connections"));
    let mut held = Vec::with_capacity(places);
    loop {
        held.retain(is_open);
        let missing = places.saturating_sub(held.len());
        if missing == 0 {
            let answer = ask(address, "/openapi.json").await;
            if status(&answer) == Some(503) && answer.contains(&taken) {
                return held;
            }
        }
        let opened = (0..missing.min(TOGETHER)).map(|_| TcpStream::connect(address));
        held.extend(join_all(opened).await.into_iter().map(Result::unwrap));
        assert!(began.elapsed() < TIME, "{} of {places} are open", held.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_places_may_be_taken_at_once_beside_which_probes_are_answered() {
    open_files::raise();
    let Limits { connections, .. } = Limits::of_process(1);
    assert!(connections > 1_000, "this machine allows too few open files: raise `ulimit -Hn`");
    let own = Own::default();
    let service = Service::start("command-api", own.namespace.as_str(), &Urls::of_the_run());
    service.until_ready().await;
    let base = service.client.base().to_owned();
    let address: SocketAddr = base.strip_prefix("http://").unwrap().parse().unwrap();
    let held = all_places(address, connections).await;
    for path in ["/livez", "/readyz", "/metrics"] {
        let answer = ask(address, path).await;
        assert_eq!(status(&answer), Some(200), "{path}: {answer}");
    }
    drop(held);
    until("the places are free again", || async {
        (status(&ask(address, "/openapi.json").await) == Some(200)).then_some(())
    })
    .await;
    service.process.stop();
    own.remove().await;
}
