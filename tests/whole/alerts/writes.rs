//! Commands that are turned away, and positions that hold none.

use kernel::log::Entry;
use shared::event_store::EventStore as _;
use tests::orders;
use tests::services::{System, Urls};
use uuid::Uuid;
use xtask::servers::Servers;

use super::watched;

#[tokio::test(flavor = "multi_thread")]
async fn positions_that_are_sealed_are_told() {
    let system = System::start(&Urls::of_the_run(), 1, 1).await;
    let prometheus = watched(&system).await;
    let store = system.own.mongodb().await;
    // As if a command-api had died that had drawn the 20 positions before it.
    let position = store.head().await.unwrap() + 21;
    let late = orders::commit(position, &orders::stream(), 1, &orders::unreadable());
    store.insert(&[Entry::Commit(late)]).await.unwrap();
    prometheus.until_fires("WaybillHolesSealed").await;
    drop(prometheus);
    system.remove().await;
}

/// A log that hangs while more commands come than may wait.
#[tokio::test(flavor = "multi_thread")]
async fn commands_that_are_turned_away_are_told() {
    const CLIENTS: usize = 20;
    let servers = Servers::start().expect("private servers start");
    let system = System::start(&Urls::of(&servers), 1, 1).await;
    let prometheus = watched(&system).await;
    let commands: Vec<_> =
        (0..1_000).map(|_| orders::to(Uuid::new_v4(), orders::create(5))).collect();
    servers.mongodb.process.signal("STOP");
    let mut flood = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let (api, commands) = (system.commands[0].api(), commands.clone());
        flood.spawn(async move {
            loop {
                api.batch(&commands).await;
            }
        });
    }
    prometheus.until_fires("WaybillCommandsOverloaded").await;
    flood.shutdown().await;
    servers.mongodb.process.signal("CONT");
    system.until_ready().await;
    prometheus.until_quiet().await;
}
