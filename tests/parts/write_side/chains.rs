//! Many commands of one stream: they share inserts, and none is written on what is not there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ::orders::OrderAggregate;
use async_trait::async_trait;
use command_api::write::{Outcome, Rejected, Request, Sequence, Writer};
use futures::future::join_all;
use kernel::log::{Commit, Entry, StreamName, Version};
use shared::event_store::{EventStore, Inserted, NotInserted};
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
        let paid = (0..count).map(|_| self.writer.submit(pay(self.order, amount)));
        join_all(paid).await.into_iter().map(Result::unwrap).collect()
    }

    async fn end(self) {
        drop(self.writer);
        self.scheduler.await.unwrap();
    }
}

/// The versions that were acknowledged, ascending.
fn versions(outcomes: &[Outcome]) -> Vec<Version> {
    let accepted = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok());
    let mut versions: Vec<Version> = accepted.map(|accepted| accepted.version).collect();
    versions.sort_unstable();
    versions
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

/// Counts inserts, and lets a stranger go on with the stream just before the first of several commits.
#[derive(Default)]
struct Stranger {
    comes: AtomicBool,
    inserts: AtomicUsize,
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
}

async fn commands_of_one_stream_share_an_insert(store: Store) {
    let counted = Decorator::over(store.clone(), Stranger::default());
    let started = Started::over(counted.clone()).await;
    let before = counted.hooks.inserts.load(Ordering::SeqCst);
    let outcomes = started.pay(MANY, 1).await;
    assert_eq!(versions(&outcomes), (2..).take(MANY).collect::<Vec<_>>());
    let inserts = counted.hooks.inserts.load(Ordering::SeqCst) - before;
    assert!(inserts <= 2, "{inserts} inserts: the first one may begin when one has come");
    assert_eq!(commits_of(&store, started.order).await.len(), 1 + MANY);
    started.end().await;
}

async fn a_refusal_among_them_is_decided_on_the_log(store: Store) {
    let started = Started::over(store.clone()).await;
    let outcomes = started.pay(7, 20).await;
    let overpaid = |outcome: &&Outcome| matches!(outcome, Err(Rejected::Refused(refusal)) if refusal.rule == "overpayment");
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
    assert_eq!((commits.len(), versions(&outcomes).len()), (2 + MANY, MANY));
    let is_ours = |commit: &&Commit| commit.from == 1 || versions(&outcomes).contains(&commit.from);
    assert_eq!(commits.iter().filter(is_ours).count(), 1 + MANY, "one version is the stranger's");
    started.end().await;
}

async fn each_counts_once_whatever_becomes_of_the_insert(store: Store) {
    for fault in [Fault::LostBefore, Fault::LostAfter, Fault::Late, Fault::PositionTaken] {
        let faulty = Faulty::over(store.clone(), &[]);
        let started = Started::over(faulty.clone()).await;
        faulty.hooks.fail_with(&[fault]);
        let outcomes = started.pay(MANY, 1).await;
        assert!(faulty.hooks.is_spent());
        let all: Vec<Version> = (2..).take(MANY).collect();
        assert_eq!(versions(&outcomes), all, "{fault:?}");
        assert_eq!(commits_of(&store, started.order).await.len(), 1 + MANY, "{fault:?}");
        started.end().await;
    }
}

tests::on_both_logs! {
    commands_of_one_stream_share_an_insert
    a_refusal_among_them_is_decided_on_the_log
    none_is_written_behind_one_that_lost_its_race
    each_counts_once_whatever_becomes_of_the_insert
}
