//! Many commands of one stream: they share inserts, and none is written on what is not there.
//!
//! In one thread: all that are submitted at once wait before the first of them starts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ::orders::OrderAggregate;
use async_trait::async_trait;
use command_api::write::{Outcome, Rejected, Request, Sequence, Writer};
use futures::future::join_all;
use kernel::log::{Commit, Entry, Position, StreamName, Version};
use shared::event_store::{EventStore, Inserted, NotInserted, Part};
use shared::service::health::Health;
use tests::decorator::{Decorator, Hooks};
use tests::faulty::{Fault, Faulty};
use tests::orders;
use tests::requests::request;
use tokio::task::JoinHandle;
use uuid::Uuid;

type Store = Arc<dyn EventStore>;

/// Payments that wait at once.
const MANY: usize = 20;

fn pay(order: Uuid, amount: i64) -> Request<OrderAggregate> {
    // As a request that has no other command.
    let sequence = Some(Sequence::default());
    Request { sequence, ..request(orders::payment(amount), order, None) }
}

/// A write side that has just written the first event of an order of 100.
struct Started {
    writer: Writer<OrderAggregate>,
    scheduler: JoinHandle<()>,
    order: Uuid,
}

impl Started {
    async fn over(store: Store) -> Self {
        let (writer, scheduler) = Writer::<OrderAggregate>::start(store, Health::default());
        let order = Uuid::new_v4();
        writer.submit(request(orders::create(100), order, None)).await.unwrap().unwrap();
        Self { writer, scheduler, order }
    }

    /// So many payments at once, each of this amount.
    async fn pay(&self, count: usize, amount: i64) -> Vec<Outcome> {
        self.submit((0..count).map(|_| pay(self.order, amount))).await
    }

    /// What becomes of requests that are submitted at once, in this order.
    async fn submit(
        &self,
        requests: impl IntoIterator<Item = Request<OrderAggregate>>,
    ) -> Vec<Outcome> {
        let outcomes = requests.into_iter().map(|request| self.writer.submit(request));
        join_all(outcomes).await.into_iter().map(Result::unwrap).collect()
    }

    async fn end(self) {
        drop(self.writer);
        self.scheduler.await.unwrap();
    }
}

/// The versions that were acknowledged, in the order of submission.
fn versions(outcomes: &[Outcome]) -> Vec<Version> {
    let accepted = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok());
    accepted.map(|accepted| accepted.version).collect()
}

/// The commits of the order, each of one event: without a gap, at ascending positions.
async fn commits_of(store: &Store, order: Uuid) -> Vec<Commit> {
    let stream = StreamName::new("order", order);
    let commits = store.read_streams(&[(&stream, 0)]).await.unwrap().commits;
    let found: Vec<Version> = commits.iter().map(|commit| commit.from).collect();
    let expected: Vec<Version> = (1..).take(commits.len()).collect();
    assert_eq!(found, expected, "the stream has a gap");
    assert!(commits.is_sorted_by(|a, b| a.position < b.position), "{commits:?}");
    commits
}

/// Counts inserts and reads of streams, and lets a stranger go on with the stream just before the first of several commits.
#[derive(Default)]
struct Stranger {
    comes: AtomicBool,
    inserts: AtomicUsize,
    reads: AtomicUsize,
}

#[async_trait]
impl Hooks for Stranger {
    async fn insert(
        &self,
        store: &dyn EventStore,
        entries: &[Entry],
    ) -> Result<Vec<Inserted>, NotInserted> {
        self.inserts.fetch_add(1, Ordering::SeqCst);
        if let [Entry::Commit(first), _, ..] = entries
            && self.comes.swap(false, Ordering::SeqCst)
        {
            let position = store.reserve_positions(1).await.unwrap().start;
            let theirs = orders::commit(position, &first.stream, first.from, &orders::paid(1));
            let inserted = store.insert(&[Entry::Commit(theirs)]).await?;
            assert_eq!(inserted, [Inserted::Written]);
        }
        store.insert(entries).await
    }

    async fn read_streams(
        &self,
        store: &dyn EventStore,
        above: &[(&StreamName, Version)],
    ) -> kernel::Result<Part> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        store.read_streams(above).await
    }
}

async fn commands_of_one_stream_share_an_insert(store: Store) {
    let counted = Decorator::over(store.clone(), Stranger::default());
    let started = Started::over(counted.clone()).await;
    let before = counted.hooks.inserts.load(Ordering::SeqCst);
    let outcomes = started.pay(MANY, 1).await;
    assert_eq!(versions(&outcomes), (2..).take(MANY).collect::<Vec<_>>());
    let inserts = counted.hooks.inserts.load(Ordering::SeqCst) - before;
    assert_eq!(inserts, 1);
    assert_eq!(commits_of(&store, started.order).await.len(), 1 + MANY);
    started.end().await;
}

async fn a_refusal_among_them_is_decided_on_the_log(store: Store) {
    let started = Started::over(store.clone()).await;
    let outcomes = started.pay(7, 20).await;
    let overpaid = |outcome: &&Outcome| match outcome {
        Err(Rejected::Refused(refusal)) => refusal.rule == "overpayment",
        _ => false,
    };
    assert_eq!(outcomes.iter().filter(overpaid).count(), 2, "{outcomes:?}");
    assert_eq!(versions(&outcomes), [2, 3, 4, 5, 6]);
    assert_eq!(commits_of(&store, started.order).await.len(), 6);
    started.end().await;
}

/// All were decided on what the first of them leads to, and that is not there.
async fn none_is_written_behind_one_that_lost_its_race(store: Store) {
    let stranger = Decorator::over(store.clone(), Stranger::default());
    let started = Started::over(stranger.clone()).await;
    stranger.hooks.comes.store(true, Ordering::SeqCst);
    let outcomes = started.pay(MANY, 1).await;
    assert!(!stranger.hooks.comes.load(Ordering::SeqCst), "the stranger came");
    let commits = commits_of(&store, started.order).await;
    let versions = versions(&outcomes);
    assert_eq!((commits.len(), versions.len()), (2 + MANY, MANY));
    assert!(versions.is_sorted(), "in the order of submission: {versions:?}");
    let is_ours = |commit: &&Commit| commit.from == 1 || versions.contains(&commit.from);
    assert_eq!(commits.iter().filter(is_ours).count(), 1 + MANY, "one version is the stranger's");
    started.end().await;
}

/// Three inserts at most: the one that goes wrong, one that settles it, and one for what is left.
async fn each_counts_once_whatever_becomes_of_the_insert(store: Store) {
    for fault in [
        Fault::LostBefore,
        Fault::LostAfter,
        Fault::Late,
        Fault::LateHalf,
        Fault::PositionTaken,
        Fault::FirstTaken,
    ] {
        let faulty = Faulty::over(store.clone(), &[]);
        let started = Started::over(faulty.clone()).await;
        faulty.hooks.fail_with(&[fault]);
        let outcomes = started.pay(MANY, 1).await;
        assert!(faulty.hooks.is_spent());
        let all: Vec<Version> = (2..).take(MANY).collect();
        assert_eq!(versions(&outcomes), all, "{fault:?}: {outcomes:?}");
        let inserts = faulty.hooks.inserts();
        assert_eq!(inserts.first(), Some(&MANY), "{fault:?}: {inserts:?}");
        assert!(inserts.len() <= 3, "{fault:?}: {inserts:?}");
        assert_eq!(commits_of(&store, started.order).await.len(), 1 + MANY, "{fault:?}");
        started.end().await;
        assert_no_hole(&store, &format!("{fault:?}")).await;
    }
}

/// Every position up to the head holds something.
async fn assert_no_hole(store: &Store, case: &str) {
    let there = store.read_positions(0, 1_000).await.unwrap();
    let expected: Vec<Position> = (1..).take(there.len()).collect();
    assert_eq!(there, expected, "{case}");
}

/// Another writer takes the first position of a chain, and what was drawn for the rest can't be filled at once.
async fn positions_that_can_not_be_filled_at_once_are_filled_later(store: Store) {
    let faulty = Faulty::over(store.clone(), &[]);
    let started = Started::over(faulty.clone()).await;
    faulty.hooks.fail_with(&[Fault::FirstTaken, Fault::NeverSent]);
    let outcomes = started.pay(MANY, 1).await;
    assert!(faulty.hooks.is_spent());
    assert_eq!(versions(&outcomes), (2..).take(MANY).collect::<Vec<_>>(), "{outcomes:?}");
    started.end().await;
    assert_no_hole(&store, "at the end").await;
}

/// The second expects what the first leads to, the third what the second has changed.
async fn what_one_expects_is_compared_with_the_one_before(store: Store) {
    let counted = Decorator::over(store.clone(), Stranger::default());
    let started = Started::over(counted.clone()).await;
    let before = counted.hooks.inserts.load(Ordering::SeqCst);
    let expecting = |version| Request { expected: Some(version), ..pay(started.order, 1) };
    let outcomes = started.submit([1, 2, 2].map(expecting)).await;
    assert_eq!(versions(&outcomes), [2, 3]);
    let last = outcomes.last().unwrap();
    assert!(matches!(last, Err(Rejected::VersionMismatch { actual: 3 })), "{last:?}");
    assert_eq!(counted.hooks.inserts.load(Ordering::SeqCst) - before, 1);
    assert_eq!(commits_of(&store, started.order).await.len(), 3);
    started.end().await;
}

/// Another process has carried the second of them out.
async fn one_that_was_done_before_is_answered_as_then(store: Store) {
    let started = Started::over(store.clone()).await;
    let keyed =
        || Request { sequence: None, ..request(orders::payment(1), started.order, Some("a")) };
    let other = Writer::<OrderAggregate>::start(store.clone(), Health::default());
    let before = other.0.submit(keyed()).await.unwrap().unwrap();
    let outcomes = started.submit([pay(started.order, 1), keyed(), pay(started.order, 1)]).await;
    assert_eq!(outcomes.get(1), Some(&Ok(before)));
    assert_eq!(versions(&outcomes), [3, 2, 4]);
    assert_eq!(commits_of(&store, started.order).await.len(), 4);
    started.end().await;
    drop(other.0);
    other.1.await.unwrap();
}

/// Its state must be read, and those at the front are refused on it: one read does for all.
async fn those_behind_refusals_share_their_read_and_an_insert(store: Store) {
    let started = Started::over(store.clone()).await;
    let counted = Decorator::over(store.clone(), Stranger::default());
    let (writer, scheduler) = Writer::<OrderAggregate>::start(counted.clone(), Health::default());
    let other = Started { writer, scheduler, order: started.order };
    let amounts = [200, 200, 200, 1, 1];
    let outcomes = other.submit(amounts.map(|amount| pay(started.order, amount))).await;
    assert_eq!(versions(&outcomes), [2, 3]);
    let refused = |outcome: &Outcome| matches!(outcome, Err(Rejected::Refused(_)));
    assert_eq!(outcomes.iter().map(refused).collect::<Vec<_>>(), amounts.map(|it| it == 200));
    let counts = [&counted.hooks.reads, &counted.hooks.inserts];
    assert_eq!(counts.map(|count| count.load(Ordering::SeqCst)), [1, 1]);
    started.end().await;
    other.end().await;
}

tests::on_both_logs! { in one thread:
    commands_of_one_stream_share_an_insert
    a_refusal_among_them_is_decided_on_the_log
    none_is_written_behind_one_that_lost_its_race
    each_counts_once_whatever_becomes_of_the_insert
    positions_that_can_not_be_filled_at_once_are_filled_later
    what_one_expects_is_compared_with_the_one_before
    one_that_was_done_before_is_answered_as_then
    those_behind_refusals_share_their_read_and_an_insert
}
