//! Work that hangs in code that does not return is told by `/livez`.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use command_api::write::Writer;
use shared::event_store::sqlite::Sqlite;
use shared::http::probes::probes;
use shared::http::{Hosts, Limits, close, serve};
use shared::service::health::Health;
use shared::service::liveness::Liveness;
use tests::stores::TempDir;
use tests::toy::{GATE, HANG, Toy, stream, write};
use tests::until;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use waybill::client::Client;

/// Serves the probes alone.
async fn probed(health: &Health, stop: &CancellationToken) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(&format!("http://{}", listener.local_addr().unwrap()));
    let routes = close(probes(health.clone()), "GET, HEAD");
    tokio::spawn(serve(listener, routes, Hosts::default(), Limits::of_process(1), stop.clone()));
    client
}

async fn livez(client: &Client) -> (u16, String) {
    let answer = client.send(http::Method::GET, "/livez", &[], "").await.unwrap();
    (answer.status.as_u16(), String::from_utf8_lossy(&answer.body).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_domain_that_does_not_return_ends_the_liveness_until_it_does() {
    let (folder, stop) = (TempDir::default(), CancellationToken::new());
    let store = Arc::new(Sqlite::open(&folder.0).unwrap());
    let patience = Duration::from_millis(500);
    let health = Health::of(&["commands"]).with(Liveness::with_patience(patience));
    let client = probed(&health, &stop).await;
    let (writer, scheduler) = Writer::<Toy>::start(store, health);
    writer.submit(write(&stream(), "before")).await.unwrap().unwrap();
    assert_eq!(livez(&client).await, (200, "alive".to_owned()));
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let holder = std::thread::spawn(move || {
        let _gate = GATE.lock().unwrap_or_else(PoisonError::into_inner);
        held.recv().ok();
    });
    until("the gate is closed", || async { GATE.try_lock().is_err().then_some(()) }).await;
    let hangs = writer.submit(write(&stream(), HANG));
    let told = until("it is told", || async {
        let (status, body) = livez(&client).await;
        (status == 503).then_some(body)
    })
    .await;
    assert!(told.contains("commands for"), "{told}");
    assert!(told.contains("\"/problems/stuck\""), "{told}");
    let answer = client.send(http::Method::GET, "/livez", &[], "").await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.headers.get("retry-after")), (503, None));
    hold.send(()).unwrap();
    holder.join().unwrap();
    hangs.await.unwrap().unwrap();
    until("it is alive", || async { (livez(&client).await.0 == 200).then_some(()) }).await;
    drop(writer);
    scheduler.await.unwrap();
    stop.cancel();
}
