//! What only one of the logs has to keep to.

use std::sync::Arc;

use kernel::log::{Entry, Run};
use shared::event_store::EventStore as _;
use tests::Own;
use tests::stores::TempDir;

use shared::event_store::NotInserted;

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
