//! Sets of views: made one at a time, swapped at once, removed completely.

use std::sync::Arc;

use kernel::log::LogId;
use kernel::views::Batch;
use shared::view_store::memory::Memory;
use shared::view_store::redis::Redis;
use shared::view_store::{Advance, Applied, Generation, Progress};
use tests::Own;
use tests::stores::TempDir;
use xtask::servers::Redis as Server;

use super::{Views, apply, change, generation, record, stream, sum};
use crate::contracts::view_store::Change;

async fn one_generation_is_made_at_a_time_and_goes_live_by_compare_and_set(views: Views) {
    let (one, two) = (Generation::new(LogId::random(), 1), Generation::new(LogId::random(), 2));
    assert_eq!(views.live().await.unwrap(), None);
    assert!(views.begin(&one).await.unwrap());
    assert!(!views.begin(&two).await.unwrap());
    assert_eq!(views.building().await.unwrap(), Some(one.clone()));
    assert_eq!(views.generations().await.unwrap(), vec![one.clone()]);
    assert!(!views.promote(Some(&two.id), &one.id).await.unwrap(), "another is expected live");
    assert!(!views.promote(None, &two.id).await.unwrap(), "it does not exist");
    assert!(views.promote(None, &one.id).await.unwrap());
    assert!(!views.promote(None, &one.id).await.unwrap());
    assert_eq!(
        (views.live().await.unwrap(), views.building().await.unwrap()),
        (Some(one.clone()), None)
    );
    assert!(views.begin(&two).await.unwrap());
    assert!(views.promote(Some(&one.id), &two.id).await.unwrap());
    let live = views.read(&one.id, &Batch::new()).await.unwrap().live;
    assert_eq!(live, Some(two.id.clone()), "every read tells which is live");
    assert!(views.remove(&two.id).await.is_err(), "it is live");
    views.remove(&one.id).await.unwrap();
    assert_eq!(views.generations().await.unwrap(), [two]);
}

async fn generations_share_nothing_and_leave_nothing(views: Views) {
    let stream = stream();
    let one = generation(&views).await;
    apply(&views, &one, Change { sums: vec![sum("n", 1)], ..change(&stream, 0, 1) }).await;
    assert!(views.promote(None, &one).await.unwrap());
    let two = generation(&views).await;
    assert_eq!(views.load(&two, &[&stream]).await.unwrap(), [None]);
    apply(&views, &two, Change { sums: vec![sum("n", 5)], ..change(&stream, 0, 1) }).await;
    assert_eq!(record(&views, &one, "totals").await, [("n".to_owned(), "1".to_owned())]);
    views.remove(&two).await.unwrap();
    assert_eq!(views.building().await.unwrap(), None);
    assert_eq!(views.load(&two, &[&stream]).await.unwrap(), [None]);
    assert_eq!(record(&views, &two, "totals").await, []);
    assert_eq!(views.checkpoint(&two).await.unwrap(), None);
    assert_eq!(apply(&views, &two, change(&stream, 0, 1)).await, Applied::NoGeneration);
    assert_eq!(views.advance(&two, 0, 1, &[]).await.unwrap(), Advance::NoGeneration);
}

async fn progress_is_told_while_a_generation_is_made(views: Views) {
    let id = generation(&views).await;
    assert_eq!(views.progress(&id).await.unwrap(), None);
    let now = kernel::Timestamp::now();
    let progress =
        Progress { at: now, reached: 5, head: 900, outrun: true, complete_until: Some(now) };
    views.report(&id, &progress).await.unwrap();
    assert_eq!(views.progress(&id).await.unwrap(), Some(progress));
}

async fn repairs_are_counted_with_their_generation(views: Views) {
    let one = generation(&views).await;
    assert_eq!(views.repaired(&one).await.unwrap(), 0);
    for count in [3, 1] {
        views.count_repaired(&one, count).await.unwrap();
    }
    assert!(views.promote(None, &one).await.unwrap());
    let two = generation(&views).await;
    assert_eq!(views.repaired(&two).await.unwrap(), 0, "a new one begins at 0");
    views.count_repaired(&two, 5).await.unwrap();
    let counted = [views.repaired(&one).await.unwrap(), views.repaired(&two).await.unwrap()];
    assert_eq!(counted, [4, 5]);
    views.remove(&two).await.unwrap();
    assert_eq!(views.repaired(&two).await.unwrap(), 0);
    views.count_repaired(&two, 2).await.unwrap();
    assert_eq!(views.repaired(&two).await.unwrap(), 0, "nothing is written to what is gone");
    assert_eq!(views.repaired(&one).await.unwrap(), 4);
}

contract! {
    repairs_are_counted_with_their_generation
    progress_is_told_while_a_generation_is_made
    one_generation_is_made_at_a_time_and_goes_live_by_compare_and_set
    generations_share_nothing_and_leave_nothing
}

#[tokio::test]
async fn one_holder_has_a_lease_in_redis() {
    let own = Own::default();
    let views: Views = Arc::new(own.redis().await);
    let id = generation(&views).await;
    let minute = std::time::Duration::from_secs(60);
    assert!(views.lease(&id, "a", minute).await.unwrap());
    assert!(!views.lease(&id, "b", minute).await.unwrap());
    assert!(views.lease(&id, "a", std::time::Duration::from_millis(1)).await.unwrap());
    tests::until("the lease is over", || async {
        views.lease(&id, "b", minute).await.unwrap().then_some(())
    })
    .await;
    let hour = 60 * minute;
    assert!(views.lease(&id, "b", hour).await.unwrap());
    assert!(views.lease(&id, "c", minute).await.unwrap(), "the clock was set back meanwhile");
    own.remove().await;
}

/// What a kill in the middle of a removal leaves: the generation is fenced, and still described.
#[tokio::test]
async fn a_removal_that_was_interrupted_is_found_again_and_writes_nothing_meanwhile() {
    let own = Own::default();
    let redis = own.redis().await;
    let views: Views = Arc::new(redis.clone());
    let (id, stream) = (generation(&views).await, stream());
    apply(&views, &id, change(&stream, 0, 1)).await;
    redis.retire(&id).await.unwrap();
    assert_eq!(views.generations().await.unwrap().len(), 1, "found again after a restart");
    assert!(!views.promote(None, &id).await.unwrap(), "it is being removed");
    assert_eq!(views.live().await.unwrap(), None);
    let second = std::time::Duration::from_secs(1);
    assert!(!views.lease(&id, "a", second).await.unwrap());
    assert_eq!(apply(&views, &id, change(&stream, 1, 2)).await, Applied::NoGeneration);
    views.park(&id, &super::updates::note(&stream, 9)).await.unwrap();
    views.count_repaired(&id, 1).await.unwrap();
    assert_eq!(views.repaired(&id).await.unwrap(), 0);
    views.remove(&id).await.unwrap();
    assert_eq!(views.generations().await.unwrap(), []);
    assert_eq!(keys(&own).await, 0, "and no key is left");
    own.remove().await;
}

/// The description goes last: a removal that can't remove the keys is found again by it.
#[tokio::test]
async fn a_generation_is_described_until_its_keys_are_gone() {
    let (own, folder) = (Own::default(), TempDir::default());
    let server = Server::start(&folder.0).unwrap();
    let views: Views = Arc::new(Redis::connect(&server.url(), &own.namespace).await.unwrap());
    let id = generation(&views).await;
    apply(&views, &id, change(&stream(), 0, 1)).await;
    let client = ::redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut allow = async |right: &str| {
        let mut command = ::redis::cmd("ACL");
        command.arg("SETUSER").arg("default").arg(right);
        command.query_async::<()>(&mut connection).await.unwrap();
    };
    allow("-unlink").await;
    assert!(views.remove(&id).await.is_err());
    let left: Vec<_> = views.generations().await.unwrap().into_iter().map(|it| it.id).collect();
    assert_eq!(left, std::slice::from_ref(&id));
    allow("+unlink").await;
    views.remove(&id).await.unwrap();
    assert_eq!(views.generations().await.unwrap(), []);
    let left: usize = ::redis::cmd("DBSIZE").query_async(&mut connection).await.unwrap();
    assert_eq!(left, 0, "and no key is left");
}

/// A pointer to a generation that is gone does not keep others from going live.
#[tokio::test]
async fn a_live_pointer_to_nothing_is_replaced() {
    let own = Own::default();
    let views: Views = Arc::new(own.redis().await);
    let id = generation(&views).await;
    let client = ::redis::Client::open(tests::servers::redis()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let live = format!("{}:live", own.namespace);
    ::redis::cmd("SET").arg(live).arg("v1-gone").query_async::<()>(&mut connection).await.unwrap();
    assert_eq!(views.live().await.unwrap(), None);
    assert!(views.promote(None, &id).await.unwrap());
    assert_eq!(views.live().await.unwrap().unwrap().id, id);
    own.remove().await;
}

/// How many keys the namespace has.
async fn keys(own: &Own) -> usize {
    let client = ::redis::Client::open(tests::servers::redis()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let all = format!("*{}:*", own.namespace);
    let found: Vec<String> =
        ::redis::cmd("KEYS").arg(all).query_async(&mut connection).await.unwrap();
    found.len()
}
