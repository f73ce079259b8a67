//! When a worker is ready, and how it stops serving.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use kernel::Result;
use kernel::log::{Recorded, StreamName, Version};
use kernel::projection::Change;
use kernel::query::Question;
use kernel::views::Parked;
use orders::OrderQueries;
use projector::Rebuild;
use query_api::Service;
use shared::event_store::{EventStore, Part};
use shared::http::consistency_token::{Seen, Token};
use shared::view_store::memory::Memory;
use shared::view_store::{Applied, Generation, GenerationId, ViewStore};
use tests::decorator::{Decorator, Hooks};
use tests::orders::{created, paid, stream, unreadable};
use tests::prometheus::counted_here;
use tests::stores::TempDir;
use tests::subject::Subject;
use tests::view_decorator::{ViewDecorator, ViewHooks};
use tests::working::{Backlog, Worker, live};
use tests::{Own, comes, until, within};
use tokio_util::sync::CancellationToken;

/// For workers to serve what went live.
const MAX_SWAP: Duration = Duration::from_secs(2);
/// For some 100 attempts without a pause between them.
const MANY_ATTEMPTS: Duration = Duration::from_secs(5);

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
    // Each attempt asks for the removal of what was replaced: it is done once.
    assert_eq!(feeds.closed(), [replaced.id]);
    worker.stop().await;
    own.remove().await;
}

/// A worker that connects again has what was replaced removed by the same task.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_replaced_is_removed_although_one_attempt_fails_late() {
    let folder = TempDir::default();
    let store = Arc::new(folder.sqlite());
    let views = Arc::new(Memory::default());
    let log = store.log_id().await.unwrap();
    let mut replaced = vec![];
    for _ in 0..2 {
        replaced.push(live(views.as_ref(), &log).await.id);
    }
    live(views.as_ref(), &log).await;
    let feeds = Backlog::of(&[]);
    feeds.lose();
    let worker = Worker::over(store.clone(), store, views, feeds.clone(), "one");
    let both = || async { (feeds.closed().len() == 2).then_some(()) };
    until("both feeds are closed", both).await;
    // They are removed in the order of their ids, and the first of them fails.
    replaced.sort();
    replaced.reverse();
    assert_eq!(feeds.closed(), replaced, "one that fails keeps no other from being removed");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn however_often_a_worker_connects_one_task_removes_what_was_replaced() {
    let folder = TempDir::default();
    let store = Arc::new(folder.sqlite());
    let views = Arc::new(Memory::default());
    live(views.as_ref(), &store.log_id().await.unwrap()).await;
    let feeds = Backlog::of(&[]);
    feeds.tell_no_feeds();
    feeds.break_feeds(5);
    let failures = || counted_here("waybill_worker_failures_total");
    let before = failures();
    let worker = Worker::over(store.clone(), store, views, feeds.clone(), "one");
    until("it has connected again", || async { (feeds.subscribed() > 5).then_some(()) }).await;
    until("it is looked for", || async { (feeds.asked() > 0).then_some(()) }).await;
    assert_eq!(feeds.asked(), 1, "it is being looked for already");
    assert!(failures() >= before + 5.0, "each is counted");
    worker.stop().await;
}

/// A log that does not answer what a retry asks.
struct Silent;

#[async_trait]
impl Hooks for Silent {
    async fn read_streams(&self, _: &dyn EventStore, _: &[(&StreamName, Version)]) -> Result<Part> {
        std::future::pending().await
    }
}

/// A stream that another build has parked, so that each worker tries it again.
async fn park(views: &dyn ViewStore, live: &Generation) {
    let note = Parked {
        stream: stream(),
        version: 1,
        reason: "of another build".to_owned(),
        projection: 1,
        build: "another".to_owned(),
        at: kernel::Timestamp::now(),
        let_go: 1,
    };
    views.park(&live.id, &note).await.unwrap();
}

/// Asks for an order again and again, by the token of all its events. Returns how often.
async fn read(queries: Service, token: Token, over: CancellationToken) -> usize {
    let Seen::Streams(seen) = &token.seen else { panic!("of a stream") };
    let path = vec!["orders".to_owned(), seen[0].0.id().to_owned()];
    let question = Question { path, parameters: BTreeMap::new(), owner: None };
    let (wait, mut answers) = (Duration::from_secs(2), 0);
    while !over.is_cancelled() {
        let shown = queries.answer(&question, Some(&token), wait).await;
        let shown = shown.map_err(|problem| problem.detail).unwrap().expect("it is an order");
        assert_eq!(shown.reply.version, Some(seen[0].1));
        answers += 1;
    }
    answers
}

/// With deliveries always at hand a worker notices a swap only because it looks now and then; and it
/// leaves although its other tasks wait for servers.
#[tokio::test(flavor = "multi_thread")]
async fn a_swap_is_noticed_by_all_workers_however_much_there_is_to_apply() {
    let own = Own::default();
    let (store, views) = (Arc::new(own.mongodb().await), Arc::new(own.redis().await));
    let log = store.log_id().await.unwrap();
    let first = live(views.as_ref(), &log).await;
    let subject = Subject::of(first.id.clone(), store.clone(), views.clone());
    let mut events = vec![];
    for _ in 0..20 {
        let stream = stream();
        let mut all = vec![created(&stream, 200)];
        all.extend((0..99).map(|_| paid(1)));
        events.extend(subject.append(&stream, 1, &all).await);
    }
    subject.apply(&events).await;
    park(views.as_ref(), &first).await;
    let feeds = Backlog::of(&events);
    feeds.hang();
    let silent = Decorator::over(store.clone(), Silent);
    let workers = ["one", "two"].map(|name| {
        Worker::over(silent.clone(), store.clone(), views.clone(), feeds.clone(), name)
    });
    for worker in &workers {
        assert_eq!(worker.until_it_leaves(None).await, first.id);
    }
    let (queries, over) = (Arc::new(OrderQueries), CancellationToken::new());
    let queries = Service::new(views.clone(), queries, CancellationToken::new());
    let token = Token { log, seen: Seen::Streams(vec![(events[0].stream.clone(), 100)]) };
    let reading = tokio::spawn(read(queries, token, over.clone()));
    let begun = workers[0].operations.begin_rebuild("ops").await.unwrap();
    assert!(matches!(begun, Rebuild::Begun(_)), "{begun:?}");
    let second = until("another generation is live", || async {
        views.live().await.unwrap().map(|live| live.id).filter(|live| *live != first.id)
    })
    .await;
    within(MAX_SWAP, "both serve it", || async {
        let all = workers.iter().all(|one| one.operations.served().as_ref() == Some(&second));
        all.then_some(())
    })
    .await;
    over.cancel();
    assert!(reading.await.unwrap() > 0, "tokens are answered all along");
    for worker in workers {
        worker.stop().await;
    }
    own.remove().await;
}

/// Views that go on telling that the first live generation is live.
#[derive(Default)]
struct Outdated(OnceLock<Generation>);

#[async_trait]
impl ViewHooks for Outdated {
    async fn live(&self, views: &dyn ViewStore) -> Result<Option<Generation>> {
        let live = views.live().await?;
        Ok(live.map(|live| self.0.get_or_init(|| live).clone()))
    }
}

/// A worker that has put views in the place of those that it serves need not look to know it.
#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_ends_the_serving_of_what_it_replaces() {
    let folder = TempDir::default();
    let store = Arc::new(folder.sqlite());
    let views = ViewDecorator::over(Arc::new(Memory::default()), Outdated::default());
    live(views.as_ref(), &store.log_id().await.unwrap()).await;
    let feeds = Backlog::of(&[]);
    let worker = Worker::over(store.clone(), store, views, feeds.clone(), "one");
    worker.until_it_leaves(None).await;
    let begun = worker.operations.begin_rebuild("ops").await.unwrap();
    assert!(matches!(begun, Rebuild::Begun(_)), "{begun:?}");
    until("it begins anew", || async { (feeds.subscribed() > 1).then_some(()) }).await;
    worker.stop().await;
}

/// Views that take no change: a call that writes some never returns.
#[derive(Default)]
struct Stuck(AtomicUsize);

impl Stuck {
    async fn until_begun(&self, calls: usize) {
        until("the healer repairs", || async {
            (self.0.load(Ordering::SeqCst) == calls).then_some(())
        })
        .await;
    }
}

#[async_trait]
impl ViewHooks for Stuck {
    async fn apply(
        &self,
        _: &dyn ViewStore,
        _: &GenerationId,
        _: &[Change],
    ) -> Result<Vec<Applied>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    }
}

/// The feed brings nothing, so that the healer has to apply what is in the log. (In one thread, as the
/// worker would make what it finds in the making.)
#[tokio::test]
async fn neither_a_swap_nor_a_stop_waits_for_a_repair() {
    let folder = TempDir::default();
    let store = Arc::new(folder.sqlite());
    let views = ViewDecorator::over(Arc::new(Memory::default()), Stuck::default());
    let log = store.log_id().await.unwrap();
    let lost = stream();
    let first = live(views.as_ref(), &log).await.id;
    let subject = Subject::of(first, store.clone(), views.clone());
    subject.append(&lost, 1, &[created(&lost, 9)]).await;
    let worker = Worker::over(store.clone(), store, views.clone(), Backlog::of(&[]), "one");
    views.hooks.until_begun(1).await;
    let second = live(views.as_ref(), &log).await.id;
    within(MAX_SWAP, "it serves what is live", || async {
        (worker.operations.served().as_ref() == Some(&second)).then_some(())
    })
    .await;
    views.hooks.until_begun(2).await;
    let stopped = tokio::time::timeout(MAX_SWAP, worker.stop()).await;
    stopped.expect("it stops although the repair does not end");
}
