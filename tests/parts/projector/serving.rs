//! When a worker is ready, and how it stops serving.

use std::sync::Arc;
use std::time::Duration;

use kernel::log::{LogId, Recorded};
use shared::event_store::EventStore as _;
use shared::view_store::{Generation, ViewStore};
use tests::orders::{created, stream, unreadable};
use tests::subject::Subject;
use tests::working::{Backlog, Worker, projection};
use tests::{Own, comes, until};

/// For some 100 attempts without a pause between them.
const MANY_ATTEMPTS: Duration = Duration::from_secs(5);

/// A generation that is live, made by no worker.
async fn live(views: &dyn ViewStore, log: &LogId) -> Generation {
    let live = Generation::new(log.clone(), projection());
    let before = views.live().await.unwrap().map(|before| before.id);
    assert!(views.begin(&live).await.unwrap());
    assert!(views.promote(before.as_ref(), &live.id).await.unwrap());
    live
}

/// More streams than may be parked within a minute.
async fn poison(own: &Own) -> Vec<Recorded> {
    let (store, views) = (Arc::new(own.mongodb().await), Arc::new(own.redis().await));
    let subject = Subject::new(store, views.clone()).await;
    let mut events = vec![];
    for _ in 0..101 {
        let stream = stream();
        let all = [created(&stream, 9), unreadable()];
        events.extend(subject.append(&stream, 1, &all).await);
    }
    views.remove(&subject.generation).await.unwrap();
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_can_apply_nothing_is_not_ready_and_tries_less_and_less_often() {
    let own = Own::default();
    let (store, views) = (Arc::new(own.mongodb().await), Arc::new(own.redis().await));
    let log = store.log_id().await.unwrap();
    let events = poison(&own).await;
    let replaced = live(views.as_ref(), &log).await;
    live(views.as_ref(), &log).await;
    let feeds = Backlog::of(&events);
    let worker = Worker::over(store.clone(), store, views, feeds.clone(), "one");
    let why = || async { worker.health.waiting().get("views").cloned() };
    until("the brake holds", || async {
        why().await.filter(|why| why.contains("100 streams were parked"))
    })
    .await;
    let before = feeds.subscribed();
    let ready = || async { why().await.is_none().then_some(()) };
    assert_eq!(comes(MANY_ATTEMPTS, ready).await, None, "it was ready for a moment");
    let told = why().await.unwrap();
    assert!(told.contains("100 streams were parked"), "{told}");
    let attempts = feeds.subscribed() - before;
    assert!((2..=16).contains(&attempts), "{attempts} attempts");
    // One of them removes what was replaced, in a minute; the others find that it is being done.
    assert_eq!(feeds.closed(), [replaced.id]);
    worker.stop().await;
    own.remove().await;
}
