//! Which commands make a group, where more wait than it holds: those of one client take no place from those of
//! another.
//!
//! In one thread: all that are submitted at once wait before the first of them starts.

use std::sync::{Arc, Mutex};

use ::orders::OrderAggregate;
use async_trait::async_trait;
use command_api::write::{Request, Sequence, Writer};
use futures::future::join_all;
use kernel::log::{Entry, StreamName};
use shared::event_store::{EventStore, Inserted, NotInserted};
use shared::service::health::Health;
use tests::decorator::{Decorator, Hooks};
use tests::orders;
use tests::requests::request;
use tests::toy::{AGAIN, Toy, stream, write};
use uuid::Uuid;

type Store = Arc<dyn EventStore>;

/// Payments of one order that wait at once.
const MANY: usize = 20;

/// Remembers of each insert which streams its commits are of.
#[derive(Default)]
struct Inserts(Mutex<Vec<Vec<StreamName>>>);

#[async_trait]
impl Hooks for Inserts {
    async fn insert(
        &self,
        store: &dyn EventStore,
        entries: &[Entry],
    ) -> Result<Vec<Inserted>, NotInserted> {
        let commits = entries.iter().filter_map(|entry| match entry {
            Entry::Commit(commit) => Some(commit.stream.clone()),
            Entry::Tombstone(_) => None,
        });
        self.0.lock().unwrap().push(commits.collect());
        store.insert(entries).await
    }
}

/// How many commits of an order are among those of an insert.
fn count(insert: &[StreamName], order: Uuid) -> usize {
    let stream = StreamName::new("order", order);
    insert.iter().filter(|of| **of == stream).count()
}

/// What is inserted of these requests, which are submitted at once when all orders are there and must all be
/// accepted.
async fn inserts(
    store: Store,
    there: &[Uuid],
    requests: Vec<Request<OrderAggregate>>,
) -> Vec<Vec<StreamName>> {
    let recorded = Decorator::over(store, Inserts::default());
    let (writer, scheduler) = Writer::<OrderAggregate>::start(recorded.clone(), Health::default());
    let creates = there.iter().map(|order| request(orders::create(1_000), *order, None)).collect();
    let mut first = 0;
    for requests in [creates, requests] {
        first = recorded.hooks.0.lock().unwrap().len();
        let submitted = requests.into_iter().map(|request| writer.submit(request));
        let outcomes = join_all(submitted.collect::<Vec<_>>()).await;
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(Ok(_)))), "{outcomes:?}");
    }
    drop(writer);
    scheduler.await.unwrap();
    recorded.hooks.0.lock().unwrap().split_off(first)
}

fn orders_of<const COUNT: usize>() -> [Uuid; COUNT] {
    std::array::from_fn(|_| Uuid::new_v4())
}

/// Payments of an order: each of a request of its own, or all of one request.
fn payments(order: Uuid, count: usize, of_one: bool) -> Vec<Request<OrderAggregate>> {
    let all = Sequence::default();
    let sequence = || if of_one { all.clone() } else { Sequence::default() };
    let payment =
        |_| Request { sequence: Some(sequence()), ..request(orders::payment(1), order, None) };
    (0..count).map(payment).collect()
}

/// Each of a batch waits for the one before it: however many they are, they take no place of a chain.
async fn batches_take_no_chains_from_others(store: Store) {
    let orders: [Uuid; 9] = orders_of();
    let (of_batches, hot) = (&orders[..8], orders[8]);
    let batches = of_batches.iter().flat_map(|order| payments(*order, 30, true));
    let requests = batches.chain(payments(hot, MANY, false)).collect();
    let inserts = inserts(store, &orders, requests).await;
    assert_eq!(count(&inserts[0], hot), MANY, "{inserts:?}");
    assert!(of_batches.iter().all(|order| count(&inserts[0], *order) == 1), "{inserts:?}");
}

async fn new_orders_leave_room_for_chains(store: Store) {
    let [hot] = orders_of();
    let creates = (0..1_000).map(|_| request(orders::create(5), Uuid::new_v4(), None));
    let requests = payments(hot, MANY, false).into_iter().chain(creates).collect();
    let inserts = inserts(store, &[hot], requests).await;
    assert_eq!((count(&inserts[0], hot), inserts[0].len()), (MANY, 256));
}

/// Of so many orders those get on first whose next payment has waited longest.
async fn chains_are_for_those_that_have_waited_longest(store: Store) {
    let orders: [Uuid; 12] = orders_of();
    // The last orders wait for more.
    let waiting = |(at, order): (usize, &Uuid)| payments(*order, 3 + at, false);
    let requests = orders.iter().enumerate().flat_map(waiting).collect();
    let inserts = inserts(store, &orders, requests).await;
    let counts: Vec<usize> = orders.iter().map(|order| count(&inserts[0], *order)).collect();
    assert_eq!(counts, [3, 4, 5, 6, 7, 8, 9, 10, 1, 1, 1, 1]);
}

/// A snapshot is of a state that was acknowledged: the next commit waits for that.
async fn a_chain_ends_at_a_snapshot(store: Store) {
    let [order] = orders_of();
    let inserts = inserts(store, &[order], payments(order, 120, false)).await;
    let sizes: Vec<usize> = inserts.iter().map(Vec::len).collect();
    assert_eq!(sizes, [32, 32, 32, 3, 21], "the fourth ends at version 100");
}

/// Four large states fill a group, of which 252 other commands are given back; 300 more wait behind it.
async fn what_is_given_back_comes_first_in_half_of_the_next_group(store: Store) {
    let recorded = Decorator::over(store, Inserts::default());
    let (writer, scheduler) = Writer::<Toy>::start(recorded.clone(), Health::default());
    let text = "x".repeat(1 << 20);
    let large: [StreamName; 4] = std::array::from_fn(|_| stream());
    for stream in &large {
        writer.submit(write(stream, &text)).await.unwrap().unwrap();
    }
    recorded.hooks.0.lock().unwrap().clear();
    let small: Vec<StreamName> = (0..552).map(|_| stream()).collect();
    let again = large.iter().map(|stream| write(stream, AGAIN));
    let fresh = small.iter().map(|stream| Request { fresh: true, ..write(stream, "") });
    let outcomes: Vec<_> = again.chain(fresh).map(|request| writer.submit(request)).collect();
    for outcome in join_all(outcomes).await {
        outcome.unwrap().unwrap();
    }
    drop(writer);
    scheduler.await.unwrap();
    let inserts = std::mem::take(&mut *recorded.hooks.0.lock().unwrap());
    assert!(inserts.iter().any(|insert| *insert == large), "{inserts:?}");
    let next = inserts.iter().find(|insert| insert.len() > large.len()).unwrap();
    let (given_back, arrived) = small.split_at(252);
    assert_eq!(next[..128], given_back[..128]);
    assert_eq!(next[128..], arrived[..128]);
}

tests::on_both_logs! { in one thread:
    batches_take_no_chains_from_others
    new_orders_leave_room_for_chains
    chains_are_for_those_that_have_waited_longest
    a_chain_ends_at_a_snapshot
    what_is_given_back_comes_first_in_half_of_the_next_group
}
