//! Domain code that panics spoils its own command or request alone. A group that still dies is reported.

use std::sync::Arc;
use std::time::Duration;

use ::orders::OrderAggregate;
use async_trait::async_trait;
use command_api::write::{Outcome, Rejected, Request, Writer};
use kernel::log::{Entry, StreamName};
use serde_json::json;
use shared::event_store::{EventStore, Inserted, NotInserted};
use shared::service::health::Health;
use tests::decorator::{Decorator, Hooks};
use tests::orders;
use tests::prometheus::counted_here;
use tests::requests::request;
use tests::serving::Serving;
use tests::stores::TempDir;
use tests::toy::{Panics, Toy, command, stream};
use tests::until;
use tokio::sync::oneshot::Receiver;
use tokio::time::timeout;
use uuid::Uuid;

type Store = Arc<dyn EventStore>;

async fn soon<T>(outcome: Receiver<T>) -> T {
    timeout(Duration::from_secs(30), outcome).await.expect("an answer in time").expect("an answer")
}

/// More of them than there are places for groups, each in a group of its own.
async fn domain_code_that_panics_takes_no_place(store: Store) {
    let health = Health::of(&["commands"]);
    let (writer, scheduler) = Writer::<Toy>::start(store.clone(), health.clone());
    for panics in [Panics::InDecide, Panics::InEvolve, Panics::InEncode] {
        for _ in 0..3 {
            let stream = stream();
            // The second time the key is free again, and so is the stream the third time.
            for _ in 0..2 {
                let outcome = soon(writer.submit(command(&stream, panics))).await;
                assert!(
                    matches!(&outcome, Err(Rejected::Broken(why)) if why.contains("panicked")),
                    "{outcome:?}"
                );
            }
            let accepted = soon(writer.submit(command(&stream, Panics::Nowhere))).await;
            assert_eq!(accepted.unwrap().version, 1, "nothing was written before");
        }
    }
    assert!(health.waiting().is_empty());
    drop(writer);
    scheduler.await.unwrap();
}

/// Read together with others, a stream whose folding panics spoils only itself.
async fn a_stream_that_panics_when_it_is_read_spoils_only_itself(store: Store) {
    let (poisoned, healthy) = (stream(), stream());
    let (writer, scheduler) = Writer::<Toy>::start(store.clone(), Health::default());
    for (stream, panics) in [(&poisoned, Panics::InDecode), (&healthy, Panics::Nowhere)] {
        soon(writer.submit(command(stream, panics))).await.unwrap();
    }
    drop(writer);
    scheduler.await.unwrap();
    let health = Health::of(&["commands"]);
    let (writer, _scheduler) = Writer::<Toy>::start(store, health.clone());
    for round in 2..=4 {
        let key = |request: Request<Toy>| Request { key: None, ..request };
        let both = [&poisoned, &healthy]
            .map(|stream| writer.submit(key(command(stream, Panics::Nowhere))));
        let [poisoned, healthy] = both;
        let outcome = soon(poisoned).await;
        assert!(matches!(outcome, Err(Rejected::Broken(_))), "{outcome:?}");
        assert_eq!(soon(healthy).await.unwrap().version, round);
    }
    assert!(health.waiting().is_empty());
}

/// Not the domain's fault.
struct Fault;

#[async_trait]
impl Hooks for Fault {
    async fn insert(
        &self,
        _: &dyn EventStore,
        _: &[Entry],
    ) -> std::result::Result<Vec<Inserted>, NotInserted> {
        panic!("a fault of the service itself");
    }
}

async fn a_group_that_dies_ends_readiness_and_answers_all_who_wait(store: Store) {
    let health = Health::of(&["commands"]);
    let (writer, scheduler) =
        Writer::<OrderAggregate>::start(Decorator::over(store, Fault), health.clone());
    assert!(health.waiting().is_empty());
    let order = Uuid::new_v4();
    let create = || request(orders::create(100), order, None);
    // The first is in the group that dies, the others wait behind it.
    let [first, second, third] = [create(), create(), create()].map(|one| writer.submit(one));
    let first = timeout(Duration::from_secs(30), first).await.expect("an end in time");
    assert!(first.is_err(), "its outcome is not known: {first:?}");
    let is_unavailable = |outcome: &Outcome| matches!(outcome, Err(Rejected::Unavailable(_)));
    for outcome in [second, third] {
        assert!(is_unavailable(&soon(outcome).await));
    }
    until("the service says that it is broken", || async {
        health.waiting().get("commands").filter(|why| why.contains("restart")).cloned()
    })
    .await;
    assert!(is_unavailable(&soon(writer.submit(create())).await));
    drop(writer);
    timeout(Duration::from_secs(30), scheduler).await.expect("the scheduler ends").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_whose_folding_panics_is_500_and_counted() {
    const FAILED: &str = "waybill_http_request_duration_seconds_count\
                          {method=\"GET\",route=\"/toys/{id}/state\",status=\"500\"}";
    let folder = TempDir::default();
    let serving = Serving::<Toy>::start_of(Arc::new(folder.sqlite())).await;
    let (poisoned, healthy) = (stream(), stream());
    for (stream, panics) in [(&poisoned, Panics::InDecode), (&healthy, Panics::Nowhere)] {
        soon(serving.service().writer.submit(command(stream, panics))).await.unwrap();
    }
    let path = |stream: &StreamName| format!("/toys/{}/state", stream.id());
    let before = counted_here(FAILED);
    // More often than there are places to read the log.
    for _ in 0..5 {
        let failed = serving.api.get(&path(&poisoned)).await;
        let told = (failed.status, failed.problem());
        assert_eq!(told, (500, "internal".to_owned()), "{:?}", failed.body);
        assert_eq!(failed.json()["request_id"], failed.header("x-request-id").unwrap());
    }
    assert!(counted_here(FAILED) >= before + 5.);
    let other = serving.api.get(&path(&healthy)).await;
    assert_eq!(other.status, 200, "{:?}", other.body);
    serving.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_whose_reading_panics_spoils_no_other_of_its_batch() {
    let folder = TempDir::default();
    let serving = Serving::<Toy>::start_of(Arc::new(folder.sqlite())).await;
    let panics = json!({ "panics": Panics::InParse });
    let alone = serving.api.post("/toys", panics.to_string()).await;
    assert_eq!((alone.status, alone.problem()), (500, "internal".to_owned()), "{:?}", alone.body);
    let batch = serving.api.batch(&[json!({}), panics, json!({})]).await;
    assert_eq!(batch.status, 200, "{:?}", batch.body);
    let results = batch.json()["results"].as_array().unwrap().clone();
    let statuses: Vec<_> = results.iter().map(|result| result["status"].as_u64()).collect();
    assert_eq!(statuses, [Some(422), Some(500), Some(422)]);
    serving.stop().await;
}

tests::on_both_logs! {
    domain_code_that_panics_takes_no_place
    a_stream_that_panics_when_it_is_read_spoils_only_itself
    a_group_that_dies_ends_readiness_and_answers_all_who_wait
}
