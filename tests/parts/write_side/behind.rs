//! What waits behind an insert that hangs: for its outcome, or for the next group.
//!
//! In one thread: all that are submitted at once wait before the first of them starts.

use std::sync::Arc;
use std::time::Duration;

use ::orders::OrderAggregate;
use command_api::write::{Outcome, Rejected, Request, Sequence, Writer};
use futures::future::join_all;
use kernel::log::{StreamName, Version};
use shared::event_store::EventStore;
use shared::service::health::Health;
use tests::faulty::{Fault, Faulty};
use tests::held::Held;
use tests::orders;
use tests::requests::request;
use tokio::time::Instant;
use uuid::Uuid;

type Store = Arc<dyn EventStore>;

/// Payments that wait at once.
const MANY: usize = 20;

/// As a request that has no other command.
fn pay(order: Uuid, amount: i64) -> Request<OrderAggregate> {
    let sequence = Some(Sequence::default());
    Request { sequence, ..request(orders::payment(amount), order, None) }
}

/// An order of 100 that another writer has written.
async fn order_of_100(store: &Store) -> Uuid {
    let order = Uuid::new_v4();
    let (writer, scheduler) = Writer::<OrderAggregate>::start(store.clone(), Health::default());
    writer.submit(request(orders::create(100), order, None)).await.unwrap().unwrap();
    drop(writer);
    scheduler.await.unwrap();
    order
}

/// Half of a chain is written and half of it is not, while as many came behind it.
async fn what_is_given_back_goes_before_what_came_later(store: Store) {
    let order = order_of_100(&store).await;
    let held = Held::over(store.clone());
    let faulty = Faulty::over(held.clone(), &[Fault::LateHalf]);
    let (writer, scheduler) = Writer::<OrderAggregate>::start(faulty.clone(), Health::default());
    let submit = || (0..MANY).map(|_| writer.submit(pay(order, 1))).collect::<Vec<_>>();
    let first = submit();
    held.hooks.until_begun(1).await;
    let later = submit();
    held.hooks.release();
    let outcomes = join_all(first.into_iter().chain(later)).await;
    let outcomes: Vec<Outcome> = outcomes.into_iter().map(Result::unwrap).collect();
    let accepted = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok());
    let versions: Vec<Version> = accepted.map(|accepted| accepted.version).collect();
    assert_eq!(versions, (2..).take(2 * MANY).collect::<Vec<_>>(), "{outcomes:?}");
    let stream = StreamName::new("order", order);
    let commits = store.read_streams(&[(&stream, 0)]).await.unwrap().commits;
    assert_eq!(commits.len(), 1 + 2 * MANY);
    drop(writer);
    scheduler.await.unwrap();
}

/// The second is refused on what the first leads to, so that it waits for what becomes of that.
async fn what_waits_for_an_insert_that_hangs_is_answered_in_time(store: Store) {
    let held = Held::over(store.clone());
    let order = order_of_100(&store).await;
    let (writer, scheduler) = Writer::<OrderAggregate>::start(held.clone(), Health::default());
    let first = writer.submit(pay(order, 100));
    let start_by = Instant::now() + Duration::from_millis(200);
    let second = writer.submit(Request { start_by, ..pay(order, 100) });
    held.hooks.until_begun(1).await;
    let outcome = tokio::time::timeout(Duration::from_secs(20), second).await.unwrap().unwrap();
    assert!(matches!(outcome, Err(Rejected::Unavailable(_))), "{outcome:?}");
    held.hooks.release();
    assert!(first.await.unwrap().is_ok());
    drop(writer);
    scheduler.await.unwrap();
}

tests::on_both_logs! { in one thread:
    what_is_given_back_goes_before_what_came_later
    what_waits_for_an_insert_that_hangs_is_answered_in_time
}
