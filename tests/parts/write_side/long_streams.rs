//! A command costs as much on a long stream as on a short one.

use std::sync::Arc;

use ::orders::OrderAggregate;
use command_api::write::{Rejected, Writer};
use kernel::Timestamp;
use kernel::aggregate::Aggregate as _;
use kernel::log::{Commit, Entry, StreamName, Version};
use shared::event_store::EventStore;
use shared::service::health::Health;
use tests::counted::Counted;
use tests::orders::{self, created, paid};
use tests::requests::request;
use tests::until;
use uuid::Uuid;

type Store = Arc<dyn EventStore>;

/// An order with so many events, nearly all of them payments of the smallest unit.
async fn order(store: &Store, events: i64) -> Uuid {
    let (id, first) = (Uuid::new_v4(), store.head().await.unwrap() + 1);
    let stream = StreamName::new("order", id);
    let commit = |version: i64| {
        let event = if version == 1 { created(&stream, 1_000_000) } else { paid(1) };
        let commit = orders::commit(first + version - 1, &stream, version, &event);
        Entry::Commit(Commit { at: Timestamp::from_millis(1_800_000_000_000), ..commit })
    };
    for versions in (1..=events).collect::<Vec<_>>().chunks(1_000) {
        let entries: Vec<Entry> = versions.iter().map(|version| commit(*version)).collect();
        store.insert(&entries).await.unwrap();
    }
    store.raise_counter(0).await.unwrap();
    id
}

/// A new process pays one unit: the version after that, and how many commits it read for it.
async fn pay(store: &Store, order: Uuid) -> (Version, usize) {
    let counted = Counted::over(store.clone());
    let (writer, scheduler) = Writer::<OrderAggregate>::start(counted.clone(), Health::default());
    let pay = request(orders::payment(1), order, None);
    let accepted = writer.submit(pay).await.unwrap().unwrap();
    drop(writer);
    scheduler.await.unwrap();
    (accepted.version, counted.hooks.take())
}

async fn a_long_stream_costs_what_a_short_one_does(store: Store) {
    let (short, long) = (order(&store, 10).await, order(&store, 10_000).await);
    assert_eq!(pay(&store, short).await, (11, 10));
    assert_eq!(pay(&store, long).await, (10_001, 10_000), "no snapshot of it is kept yet");
    let kind = format!("{}/{}", OrderAggregate::CATEGORY, OrderAggregate::STATE_VERSION);
    let stream = StreamName::new("order", long);
    let snapshots = || async { store.read_snapshots(&kind, &[&stream]).await.unwrap() };
    until("a snapshot is kept", || async { snapshots().await.pop() }).await;
    for version in 10_002..10_102 {
        let (now, read) = pay(&store, long).await;
        assert_eq!(now, version);
        assert!(read <= 100, "{read} commits were read");
    }
    until("the next snapshot is kept", || async {
        snapshots().await.pop().filter(|snapshot| snapshot.version >= 10_100)
    })
    .await;
}

/// A snapshot is a hint: whatever it holds, the log decides.
async fn a_snapshot_that_cannot_be_read_is_left_alone(store: Store) {
    let id = order(&store, 150).await;
    let kind = format!("{}/{}", OrderAggregate::CATEGORY, OrderAggregate::STATE_VERSION);
    let broken = shared::event_store::Snapshot {
        stream: StreamName::new("order", id),
        kind,
        version: 120,
        position: 120,
        at: Timestamp::from_millis(1_800_000_000_000),
        state: "not JSON".to_owned(),
    };
    store.save_snapshot(broken).await.unwrap();
    assert_eq!(pay(&store, id).await, (151, 150));
}

/// Events that no command can have led to are reported, and nothing is decided upon them.
async fn a_stream_with_a_gap_is_not_folded(store: Store) {
    let id = order(&store, 3).await;
    let stream = StreamName::new("order", id);
    let mut late = store.read_streams(&[(&stream, 2)]).await.unwrap().commits.remove(0);
    late = Commit { position: store.head().await.unwrap() + 1, from: 7, to: 7, key: None, ..late };
    store.insert(&[Entry::Commit(late)]).await.unwrap();
    let (writer, scheduler) = Writer::<OrderAggregate>::start(store.clone(), Health::default());
    let pay = request(orders::payment(1), id, None);
    let told = writer.submit(pay).await.unwrap().unwrap_err();
    assert!(matches!(&told, Rejected::Broken(why) if why.contains("version 7")), "{told:?}");
    drop(writer);
    scheduler.await.unwrap();
}

/// What a stranger has added is read to find out that the race is lost, and not a second time.
async fn a_lost_race_is_made_up_for_by_one_read(store: Store) {
    let id = order(&store, 10).await;
    let counted = Counted::over(store.clone());
    let (writer, scheduler) = Writer::<OrderAggregate>::start(counted.clone(), Health::default());
    let pay = || request(orders::payment(1), id, None);
    assert_eq!(writer.submit(pay()).await.unwrap().unwrap().version, 11);
    let (stranger, strangers) = Writer::<OrderAggregate>::start(store.clone(), Health::default());
    for version in 12..=14 {
        assert_eq!(stranger.submit(pay()).await.unwrap().unwrap().version, version);
    }
    counted.hooks.take();
    assert_eq!(writer.submit(pay()).await.unwrap().unwrap().version, 15);
    assert_eq!(counted.hooks.take(), 3, "versions 12 to 14");
    drop((writer, stranger));
    scheduler.await.unwrap();
    strangers.await.unwrap();
}

tests::on_both_logs! {
    a_lost_race_is_made_up_for_by_one_read
    a_long_stream_costs_what_a_short_one_does
    a_snapshot_that_cannot_be_read_is_left_alone
    a_stream_with_a_gap_is_not_folded
}
