//! Several commands of one request for one order: those behind one without a certain outcome are
//! not attempted.

use std::sync::Arc;

use ::orders::OrderAggregate;
use command_api::write::{Outcome, Rejected, Request, Sequence, WAITING_BYTES, Writer};
use serde_json::{Value, json};
use shared::event_store::EventStore;
use shared::service::health::Health;
use tests::faulty::{Fault, Faulty};
use tests::held::Held;
use tests::orders::{self, payment, removal};
use tests::requests::request;
use tests::serving::Serving;
use tests::stores::TempDir;
use tokio::sync::oneshot::Receiver;
use tokio::time::Instant;
use uuid::Uuid;

type Store = Arc<dyn EventStore>;

/// An order of two items at 100 each.
fn create() -> Value {
    orders::create_of(&[orders::item("A", 1, 100), orders::item("B", 1, 100)])
}

/// The commands of one request for one order.
struct Asked {
    order: Uuid,
    sequence: Sequence,
}

impl Asked {
    /// For an order of two items that is there already.
    async fn of_an_order(store: &Store) -> Self {
        let order = Uuid::new_v4();
        let (writer, scheduler) = Writer::start(store.clone(), Health::default());
        writer.submit(request(create(), order, Some(&order.to_string()))).await.unwrap().unwrap();
        drop(writer);
        scheduler.await.unwrap();
        Self { order, sequence: Sequence::default() }
    }

    fn ask(&self, command: Value) -> Request<OrderAggregate> {
        Request { sequence: Some(self.sequence.clone()), ..request(command, self.order, None) }
    }
}

/// The version of an acceptance.
async fn version(outcome: Receiver<Outcome>) -> i64 {
    outcome.await.unwrap().unwrap().version
}

async fn after_an_unknown_outcome_the_rest_is_not_attempted(store: Store) {
    let asked = Asked::of_an_order(&store).await;
    let faulty = Faulty::over(store.clone(), &[Fault::LostBefore, Fault::Broken]);
    let (writer, _scheduler) = Writer::start(faulty, Health::default());
    let all =
        [removal("A"), payment(100), payment(50)].map(|command| writer.submit(asked.ask(command)));
    let [removed, paid, again] = all;
    assert_eq!(removed.await.unwrap(), Err(Rejected::Unknown));
    assert_eq!(paid.await.unwrap(), Err(Rejected::NotAttempted));
    assert_eq!(again.await.unwrap(), Err(Rejected::NotAttempted));
    // Another request for the same order is another matter.
    let other = Request { sequence: Some(Sequence::default()), ..asked.ask(payment(200)) };
    assert_eq!(version(writer.submit(other)).await, 2);
}

async fn after_a_refusal_or_a_replay_the_rest_is_carried_out(store: Store) {
    let asked = Asked::of_an_order(&store).await;
    let (writer, _scheduler) = Writer::start(store, Health::default());
    let created = request(create(), asked.order, Some(&asked.order.to_string()));
    let created = Request { sequence: Some(asked.sequence.clone()), ..created };
    let created = writer.submit(created);
    let [refused, paid] =
        [payment(201), payment(200)].map(|command| writer.submit(asked.ask(command)));
    assert_eq!(version(created).await, 1, "it was done before");
    assert!(matches!(refused.await.unwrap(), Err(Rejected::Refused(_))));
    assert_eq!(version(paid).await, 2);
}

async fn what_starts_afresh_is_not_overtaken(store: Store) {
    for fault in [Fault::PositionTaken, Fault::LostBefore, Fault::LostAfter, Fault::Late] {
        let asked = Asked::of_an_order(&store).await;
        let (writer, _scheduler) =
            Writer::start(Faulty::over(store.clone(), &[fault]), Health::default());
        let [removed, paid] =
            [removal("A"), payment(100)].map(|command| writer.submit(asked.ask(command)));
        assert_eq!((version(removed).await, version(paid).await), (2, 3), "{fault:?}");
    }
}

/// Neither what is too late for its start, nor what its client has left.
async fn what_was_dropped_before_it_started_cuts_off_the_rest(store: Store) {
    let (late, left) = (Asked::of_an_order(&store).await, Asked::of_an_order(&store).await);
    let held = Held::over(store);
    let (writer, _scheduler) = Writer::<OrderAggregate>::start(held.clone(), Health::default());
    let mut started = vec![];
    for group in 1..=2 {
        started.push(writer.submit(request(create(), Uuid::new_v4(), None)));
        held.hooks.until_begun(group).await;
    }
    let first = writer.submit(Request { start_by: Instant::now(), ..late.ask(removal("A")) });
    let second = writer.submit(late.ask(payment(100)));
    assert!(matches!(first.await.unwrap(), Err(Rejected::Unavailable(_))));
    assert_eq!(second.await.unwrap(), Err(Rejected::NotAttempted));
    drop(writer.submit(left.ask(removal("A"))));
    let second = writer.submit(left.ask(payment(100)));
    assert_eq!(second.await.unwrap(), Err(Rejected::NotAttempted));
    held.hooks.release();
}

/// Whatever becomes of the later ones.
async fn what_comes_first_is_carried_out(store: Store) {
    let asked = Asked::of_an_order(&store).await;
    let (writer, _scheduler) = Writer::start(store, Health::default());
    let removed = writer.submit(asked.ask(removal("A")));
    let too_large = writer.submit(Request { bytes: WAITING_BYTES + 1, ..asked.ask(payment(1)) });
    let paid = writer.submit(asked.ask(payment(100)));
    assert_eq!(version(removed).await, 2);
    assert_eq!(too_large.await.unwrap(), Err(Rejected::Overloaded));
    assert_eq!(paid.await.unwrap(), Err(Rejected::NotAttempted));
}

/// A batch over HTTP: the first command of the second insert gets lost, and cannot be settled.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_tells_what_was_not_attempted() {
    let folder = TempDir::default();
    let faulty = Faulty::over(Arc::new(folder.sqlite()), &[]);
    let serving = Serving::start(faulty.clone()).await;
    let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
    let send = async |commands: Vec<Value>| {
        let answer = serving.api.batch(&commands).await.json();
        let results = answer["results"].as_array().unwrap().clone();
        results
            .into_iter()
            .map(|mut result| (result["status"].take(), result["type"].take()))
            .collect::<Vec<_>>()
    };
    // What is no command, or is refused, stops nothing.
    let first = [
        orders::to(one, create()),
        orders::to(one, payment(0)),
        orders::to(one, payment(201)),
        orders::to(one, removal("A")),
    ];
    let statuses: Vec<Value> = send(first.to_vec()).await.into_iter().map(|told| told.0).collect();
    assert_eq!(statuses, [201, 422, 409, 200]);
    faulty.hooks.fail_with(&[Fault::LostBefore, Fault::Broken]);
    let told = send(vec![
        orders::to(one, payment(50)),
        orders::to(one, payment(0)),
        orders::to(one, payment(50)),
    ])
    .await;
    let kind = |name: &str| json!(format!("/problems/{name}"));
    assert_eq!(
        told,
        [
            (json!(503), kind("outcome-unknown")),
            (json!(422), kind("validation")),
            (json!(409), kind("not-attempted")),
        ]
    );
    assert_eq!(send(vec![orders::to(two, create())]).await[0].0, 201);
    serving.stop().await;
}

tests::on_both_logs! {
    after_an_unknown_outcome_the_rest_is_not_attempted
    after_a_refusal_or_a_replay_the_rest_is_carried_out
    what_starts_afresh_is_not_overtaken
    what_was_dropped_before_it_started_cuts_off_the_rest
    what_comes_first_is_carried_out
}
