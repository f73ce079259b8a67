//! Appends with an unknown outcome: each command counts once all the same.

use std::sync::Arc;

use ::orders::OrderAggregate;
use command_api::write::{Accepted, Outcome, Rejected, Request, Writer};
use kernel::log::{Commit, Entry, Run};
use shared::event_store::{EventStore, Inserted};
use shared::service::health::Health;
use tests::decorator::Decorator;
use tests::faulty::{Fault, Faulty};
use tests::orders;
use tests::requests::request;
use uuid::Uuid;

type Store = Arc<dyn EventStore>;

fn create(order: Uuid, key: Option<&str>) -> Request<OrderAggregate> {
    request(orders::create(100), order, key)
}

fn pay(order: Uuid, amount: i64, key: Option<&str>) -> Request<OrderAggregate> {
    request(orders::payment(amount), order, key)
}

/// The commits of a log without holes.
async fn commits(store: &Store) -> Vec<Commit> {
    let run = Run::take(0, store.read(0, 1_000).await.unwrap());
    assert_eq!((run.hole, run.to), (None, store.head().await.unwrap()), "a hole is left");
    run.commits
}

async fn after(fault: Fault, store: Store) -> (Arc<Decorator<Faulty>>, Outcome) {
    let faulty = Faulty::over(store.clone(), &[fault]);
    let (writer, scheduler) = Writer::<OrderAggregate>::start(faulty.clone(), Health::default());
    let order = Uuid::new_v4();
    let outcome = writer.submit(create(order, None)).await.unwrap();
    assert!(faulty.hooks.is_spent());
    // The stream goes on from there.
    let paid = writer.submit(pay(order, 100, None)).await.unwrap().unwrap();
    assert_eq!(paid.version, 2);
    drop(writer);
    scheduler.await.unwrap();
    let commits = commits(&store).await;
    assert_eq!(
        commits.iter().map(|commit| (commit.from, commit.to)).collect::<Vec<_>>(),
        [(1, 1), (2, 2)]
    );
    assert!(commits[0].position < commits[1].position);
    let created = outcome.as_ref().unwrap();
    assert_eq!((created.position, created.version), (commits[0].position, 1), "the answer is true");
    (faulty, outcome)
}

async fn an_append_that_never_arrived_is_made_again(store: Store) {
    let (_, outcome) = after(Fault::LostBefore, store.clone()).await;
    assert_eq!(outcome.unwrap().position, 2, "the first position is buried");
}

async fn an_append_that_arrived_unnoticed_is_found(store: Store) {
    let (_, outcome) = after(Fault::LostAfter, store.clone()).await;
    assert_eq!(outcome.unwrap().position, 1);
}

async fn an_append_that_arrives_late_finds_its_position_buried(store: Store) {
    let (faulty, _) = after(Fault::Late, store.clone()).await;
    assert_eq!(*faulty.hooks.late_outcomes.lock().unwrap(), [Inserted::Duplicate]);
}

/// Nothing was sent, so nothing is unknown: the client is told at once, and the position is filled by
/// the next command, or with it.
async fn an_append_that_was_never_sent_is_not_done_and_leaves_no_hole(store: Store) {
    let faulty = Faulty::over(store.clone(), &[Fault::NeverSent]);
    let (writer, scheduler) = Writer::<OrderAggregate>::start(faulty.clone(), Health::default());
    let refused = writer.submit(create(Uuid::new_v4(), None)).await.unwrap();
    assert!(matches!(refused, Err(Rejected::Unavailable(_))), "{refused:?}");
    let order = Uuid::new_v4();
    assert_eq!(writer.submit(create(order, None)).await.unwrap().unwrap().version, 1);
    drop(writer);
    scheduler.await.unwrap();
    let commits = commits(&store).await;
    assert_eq!(commits.len(), 1);
    assert!(commits[0].stream.as_str().ends_with(&order.to_string()));
}

async fn a_position_that_was_taken_is_replaced(store: Store) {
    let (_, outcome) = after(Fault::PositionTaken, store).await;
    assert!(outcome.unwrap().position > 1);
}

async fn a_whole_group_is_settled(store: Store) {
    for fault in [Fault::LostBefore, Fault::LostAfter, Fault::Late, Fault::PositionTaken] {
        let faulty = Faulty::over(store.clone(), &[fault]);
        let (writer, scheduler) = Writer::<OrderAggregate>::start(faulty, Health::default());
        let outcomes: Vec<_> =
            (0..50).map(|_| writer.submit(create(Uuid::new_v4(), None))).collect();
        for outcome in outcomes {
            outcome.await.unwrap().unwrap();
        }
        drop(writer);
        scheduler.await.unwrap();
    }
    // A draw above the head, after collisions, may leave a hole; command-api seals it.
    let entries = store.read(0, 10_000).await.unwrap();
    assert_eq!(entries.into_iter().filter_map(Entry::into_commit).count(), 200);
}

async fn the_same_key_counts_once_whatever_happens_in_between(store: Store) {
    let order = Uuid::new_v4();
    let mut first: Option<Accepted> = None;
    for fault in [Fault::LostAfter, Fault::LostBefore, Fault::Late, Fault::PositionTaken] {
        // Each round is another process: nothing is remembered but the log.
        let (writer, scheduler) = Writer::<OrderAggregate>::start(
            Faulty::over(store.clone(), &[fault]),
            Health::default(),
        );
        let created = writer.submit(create(order, Some("c"))).await.unwrap().unwrap();
        assert_eq!(*first.get_or_insert_with(|| created.clone()), created);
        // A part of what is owed: the rules would allow it twice.
        let paid = writer.submit(pay(order, 10, Some("p"))).await.unwrap().unwrap();
        assert_eq!(paid.version, 2);
        let other = writer.submit(pay(order, 20, Some("p"))).await.unwrap();
        assert_eq!(other, Err(Rejected::KeyMismatch));
        drop(writer);
        scheduler.await.unwrap();
    }
    assert_eq!(commits(&store).await.len(), 2);
}

async fn one_key_is_in_flight_once(store: Store) {
    let (writer, _scheduler) = Writer::<OrderAggregate>::start(store.clone(), Health::default());
    let order = Uuid::new_v4();
    let both =
        [create(order, Some("k")), create(order, Some("k"))].map(|request| writer.submit(request));
    let [one, two] = both;
    assert!(one.await.unwrap().is_ok());
    assert_eq!(two.await.unwrap(), Err(Rejected::KeyInFlight));
    assert_eq!(commits(&store).await.len(), 1);
}

async fn decisions_that_a_stranger_made_old_are_made_again(store: Store) {
    let (one, _scheduler) = Writer::<OrderAggregate>::start(store.clone(), Health::default());
    let (two, _scheduler) = Writer::<OrderAggregate>::start(store.clone(), Health::default());
    let order = Uuid::new_v4();
    one.submit(create(order, None)).await.unwrap().unwrap();
    // Each keeps the state as it left it; the other moves on.
    for round in 1..=10 {
        let writer = if round % 2 == 0 { &one } else { &two };
        assert_eq!(writer.submit(pay(order, 10, None)).await.unwrap().unwrap().version, round + 1);
    }
    // The one thinks that 10 is owed still: refused only after a look.
    let refused = one.submit(pay(order, 10, None)).await.unwrap();
    assert!(matches!(refused, Err(Rejected::Refused(refusal)) if refusal.rule == "overpayment"));
    assert_eq!(commits(&store).await.len(), 11);
}

tests::on_both_logs! {
    an_append_that_never_arrived_is_made_again
    an_append_that_arrived_unnoticed_is_found
    an_append_that_arrives_late_finds_its_position_buried
    an_append_that_was_never_sent_is_not_done_and_leaves_no_hole
    a_position_that_was_taken_is_replaced
    a_whole_group_is_settled
    the_same_key_counts_once_whatever_happens_in_between
    one_key_is_in_flight_once
    decisions_that_a_stranger_made_old_are_made_again
}
