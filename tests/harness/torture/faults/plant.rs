//! Orders that are put into the log past every command-api, as if one had written them.

use std::time::Duration;

use ::orders::OrderAggregate;
use kernel::aggregate::{Aggregate as _, CommandContext};
use kernel::log::{Commit, Entry, Event, Meta, StreamName};
use kernel::{Namespace, Result, Timestamp};
use serde_json::json;
use shared::event_store::EventStore as _;
use shared::event_store::mongodb::MongoDb;
use uuid::Uuid;

use super::Cluster;
use crate::comes;
use crate::orders;
use crate::torture::NAMESPACE;

/// Commits of one insert.
const GROUP: usize = 500;
/// For one insert, repeated as long as it fails; what is missing then is a violation.
const INSERT_TIMEOUT: Duration = Duration::from_secs(60);

/// So many orders in the log, which the oracle knows of. Poisoned ones have a second event that no
/// projection can read.
pub async fn plant(cluster: &Cluster, orders: usize, poisoned: bool) {
    let ids: Vec<Uuid> = (0..orders).map(|_| Uuid::now_v7()).collect();
    let first: Vec<Commit> = ids.iter().map(|id| commit(*id, 1, created(*id))).collect();
    let second: Vec<Commit> =
        ids.iter().map(|id| commit(*id, 2, orders::event(&orders::unreadable()))).collect();
    {
        let mut known = cluster.shared.known.lock().unwrap();
        first.iter().for_each(|commit| known.plant(commit));
        for commit in second.iter().filter(|_| poisoned) {
            known.plant(commit);
            known.parked.insert(commit.stream.clone(), commit.to);
        }
    }
    let namespace = Namespace::parse(NAMESPACE).expect("a valid name");
    let url = cluster.servers.mongodb.url();
    let connect = || async { MongoDb::connect(&url, &namespace).await.ok() };
    let Some(store) = comes(INSERT_TIMEOUT, connect).await else { return };
    append(&store, first).await;
    if poisoned {
        append(&store, second).await;
    }
}

/// Each once, at whatever positions are free: command-apis write meanwhile.
async fn append(store: &MongoDb, commits: Vec<Commit>) {
    for group in commits.chunks(GROUP) {
        comes(INSERT_TIMEOUT, || async { try_to_append(store, group).await.ok()? }).await;
    }
}

/// `Some` when all of it is there.
async fn try_to_append(store: &MongoDb, commits: &[Commit]) -> Result<Option<()>> {
    let keys: Vec<&str> = commits.iter().filter_map(|commit| commit.key.as_deref()).collect();
    let there = store.read_by_key(&keys).await?;
    let is_there = |commit: &Commit| there.iter().any(|one| one.key == commit.key);
    let missing: Vec<&Commit> = commits.iter().filter(|commit| !is_there(commit)).collect();
    if missing.is_empty() {
        return Ok(Some(()));
    }
    let positions = store.reserve_positions(missing.len()).await?;
    let placed = missing.into_iter().zip(positions);
    let placed = placed.map(|(commit, position)| Commit { position, ..commit.clone() });
    store.insert(&placed.map(Entry::Commit).collect::<Vec<_>>()).await?;
    store.raise_counter(0).await?;
    Ok(None)
}

fn commit(order: Uuid, version: i64, event: Event) -> Commit {
    let name = format!("planted-{order}-{version}");
    let commit =
        orders::commit(0, &StreamName::new("order", order), version, &orders::unreadable());
    let meta = Meta { correlation: name.clone(), ..Meta::default() };
    Commit { events: vec![event], meta, key: Some(name), ..commit }
}

/// Placed now, by a customer and for a product that no client orders.
fn created(order: Uuid) -> Event {
    let mut create = orders::order_of(&[orders::item("P-PLANTED", 1, 5)]);
    create["customer_id"] = json!("planted");
    let command = orders::to(order, orders::command("CreateOrder", create));
    let context = CommandContext { now: Timestamp::now(), new_id: order };
    let command = OrderAggregate::parse(command, &context).expect("a command").command;
    let events = OrderAggregate::decide(&None, &command).expect("a new order");
    let (kind, schema, data) = OrderAggregate::encode(&events[0]).expect("an event");
    Event { id: Uuid::now_v7(), kind, schema, data }
}
