//! Domain code that panics spoils its own command alone. A group that still dies is reported.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use command_api::write::{Outcome, Rejected, Request, Writer};
use kernel::aggregate::{Aggregate, CommandContext, Envelope, Invalid, Refusal, Resource};
use kernel::log::{Entry, Event, Meta, StreamName};
use orders::OrderAggregate;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::event_store::{EventStore, Inserted, NotInserted};
use shared::service::health::Health;
use tests::requests::request;
use tests::until;
use tests::wrapped::{Hooks, Wrapped};
use tokio::sync::oneshot::Receiver;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

type Store = Arc<dyn EventStore>;

/// Where the code of an aggregate panics.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Panics {
    Nowhere,
    InDecide,
    InEvolve,
    InEncode,
    InDecode,
}

struct Fragile;

impl Aggregate for Fragile {
    type State = u32;
    type Command = Panics;
    type Event = Panics;

    const CATEGORY: &'static str = "fragile";
    const STATE_VERSION: u32 = 1;
    const RESOURCE: Resource =
        Resource { name: "fragile", path: "fragile", id: "id", create: "Create", actions: &[] };

    fn parse(_: Value, _: &CommandContext) -> Result<Envelope<Panics>, Invalid> {
        Err(Invalid::new("no command is read here"))
    }

    fn decide(_: &u32, command: &Panics) -> Result<Vec<Panics>, Refusal> {
        assert_ne!(*command, Panics::InDecide);
        Ok(vec![*command])
    }

    fn evolve(state: &mut u32, event: &Panics) {
        *state += 1;
        assert_ne!(*event, Panics::InEvolve);
    }

    fn encode(event: &Panics) -> Result<(String, u32, Value), Invalid> {
        assert_ne!(*event, Panics::InEncode);
        Ok(("Happened".to_owned(), 1, json!(event)))
    }

    fn decode(event: &Event) -> Result<Panics, Invalid> {
        let event = serde_json::from_value(event.data.clone());
        let event = event.map_err(|error| Invalid::new(error.to_string()))?;
        assert_ne!(event, Panics::InDecode);
        Ok(event)
    }
}

fn command(stream: &StreamName, panics: Panics) -> Request<Fragile> {
    Request {
        stream: stream.clone(),
        command: panics,
        bytes: 10,
        start_by: Instant::now() + Duration::from_secs(60),
        fresh: false,
        expected: None,
        key: Some(format!("me/{stream}/{panics:?}")),
        fingerprint: String::new(),
        sequence: None,
        meta: Meta::default(),
    }
}

fn stream() -> StreamName {
    StreamName::new(Fragile::CATEGORY, Uuid::new_v4())
}

async fn soon<T>(outcome: Receiver<T>) -> T {
    timeout(Duration::from_secs(30), outcome).await.expect("an answer in time").expect("an answer")
}

/// More of them than there are places for groups, each in a group of its own.
async fn domain_code_that_panics_takes_no_place(store: Store) {
    let health = Health::of(&["commands"]);
    let (writer, desk) = Writer::<Fragile>::start(store.clone(), health.clone());
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
    desk.await.unwrap();
}

/// Read together with others, a stream whose folding panics spoils only itself.
async fn a_stream_that_panics_when_it_is_read_spoils_only_itself(store: Store) {
    let (poisoned, healthy) = (stream(), stream());
    let (writer, desk) = Writer::<Fragile>::start(store.clone(), Health::default());
    for (stream, panics) in [(&poisoned, Panics::InDecode), (&healthy, Panics::Nowhere)] {
        soon(writer.submit(command(stream, panics))).await.unwrap();
    }
    drop(writer);
    desk.await.unwrap();
    let health = Health::of(&["commands"]);
    let (writer, _desk) = Writer::<Fragile>::start(store, health.clone());
    for round in 2..=4 {
        let key = |request: Request<Fragile>| Request { key: None, ..request };
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

async fn a_group_that_dies_ends_readiness_and_leaves_nobody_waiting(store: Store) {
    let health = Health::of(&["commands"]);
    let (writer, desk) =
        Writer::<OrderAggregate>::start(Wrapped::over(store, Fault), health.clone());
    assert!(health.waiting().is_empty());
    let order = Uuid::new_v4();
    let create = || {
        let item = json!({ "sku": "A", "name": "Lamp", "quantity": 1, "unit_price": 100 });
        let command = json!({ "type": "CreateOrder", "customer_id": "c", "currency": "EUR", "items": [item] });
        request(command, order, None)
    };
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
    timeout(Duration::from_secs(30), desk).await.expect("the desk ends").unwrap();
}

tests::on_both_logs! {
    domain_code_that_panics_takes_no_place
    a_stream_that_panics_when_it_is_read_spoils_only_itself
    a_group_that_dies_ends_readiness_and_leaves_nobody_waiting
}
