//! What only one of the logs has to keep to.

use std::sync::Arc;

use kernel::Timestamp;
use kernel::log::{Entry, Run, StreamName};
use shared::event_store::mongodb::MongoDb;
use shared::event_store::{EventStore as _, NotInserted, SNAPSHOT_BYTES, Snapshot};
use tests::Own;
use tests::proxy::Proxies;
use tests::services::Urls;
use tests::stores::TempDir;

use super::{Store, commit, insert, stream};

#[tokio::test]
async fn sqlite_keeps_its_identity_and_seals_what_a_dead_process_left_open() {
    let folder = TempDir::default();
    let before: Store = Arc::new(folder.sqlite());
    let log = before.log_id().await.unwrap();
    insert(&before, &[commit(1, &stream(), 1, 1), commit(4, &stream(), 1, 1)]).await;
    drop(before);
    let after: Store = Arc::new(folder.sqlite());
    assert_eq!(after.log_id().await.unwrap(), log);
    let run = Run::take(0, after.read(0, 10).await.unwrap());
    assert_eq!((run.to, run.commits.len(), run.hole), (4, 2, None));
    assert_eq!(after.reserve_positions(1).await.unwrap(), 5..6);
}

#[tokio::test]
async fn sqlite_keeps_a_second_process_out() {
    let folder = TempDir::default();
    let _first = folder.sqlite();
    let second = shared::event_store::sqlite::Sqlite::open(&folder.0).expect_err("locked");
    assert!(second.to_string().contains("WAYBILL_DATA_DIR"), "{second}");
}

#[tokio::test]
async fn mongodb_writes_nothing_into_a_log_that_took_the_place_of_its_own() {
    let own = Own::default();
    let store: Store = Arc::new(own.mongodb().await);
    insert(&store, &[commit(1, &stream(), 1, 1)]).await;
    own.mongodb().await.renew().await.unwrap();
    let refused =
        tests::until("it is noticed", || async { store.reserve_positions(1).await.err() }).await;
    assert!(refused.is_permanent(), "{refused}");
    match store.insert(&[Entry::Tombstone(2)]).await.expect_err("another log") {
        NotInserted::Never(why) => assert!(why.is_permanent(), "{why}"),
        unknown => panic!("nothing may be sent: {unknown:?}"),
    }
    assert!(store.read_snapshots("thing/1", &[&stream()]).await.unwrap().is_empty());
    own.remove().await;
}

/// What it has sent is in the memory of the driver, also where less is taken.
#[tokio::test(flavor = "multi_thread")]
async fn mongodb_sends_not_much_more_of_snapshots_than_is_taken() {
    let (own, proxies) = (Own::default(), Proxies::before(&Urls::of_the_run()));
    let store = MongoDb::connect(&proxies.urls().mongodb, &own.namespace).await.unwrap();
    let streams: Vec<StreamName> = (0..12).map(|_| stream()).collect();
    for stream in &streams {
        let snapshot = Snapshot {
            stream: stream.clone(),
            kind: "thing/1".to_owned(),
            version: 1,
            position: 1,
            at: Timestamp::from_millis(1_800_000_000_123),
            state: "x".repeat(SNAPSHOT_BYTES / 4),
        };
        store.save_snapshot(snapshot).await.unwrap();
    }
    let asked: Vec<&StreamName> = streams.iter().collect();
    // The first time, and once it is known how large they are.
    for _ in 0..2 {
        let before = proxies.mongodb.answered();
        assert_eq!(store.read_snapshots("thing/1", &asked).await.unwrap().len(), 4);
        let sent = proxies.mongodb.answered() - before;
        assert!(sent > SNAPSHOT_BYTES, "it comes through the proxy");
        assert!(sent < 2 * SNAPSHOT_BYTES, "{sent} bytes");
    }
    own.remove().await;
}
