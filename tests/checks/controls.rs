//! Negative controls: what breaks one rule from outside is found by the oracle of the fault
//! campaign, and the same run with the rule kept is clean.

use std::sync::Arc;

use command_api::Service;
use command_api::write::FlowControl;
use kernel::log::{Commit, Entry};
use orders::OrderAggregate;
use shared::event_store::EventStore;
use shared::event_store::mongodb::MongoDb;
use shared::service::health::Health;
use tests::decorator::Decorator;
use tests::orders::{addition, create, item, payment, shipment};
use tests::recording::RecordingClient;
use tests::relaying::Relaying;
use tests::sabotage::{Flaw, Frozen, Remembering};
use tests::torture::known::{Known, Told};
use tests::torture::oracle::{Logged, exchange_is_complete, log_is_true};
use tests::torture::recorder::Recorder;
use tests::{Own, servers, until};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A command-api over this log, without its HTTP.
async fn command_api(own: &Own, store: Arc<dyn EventStore>) -> Service<OrderAggregate> {
    let (health, stop) = (Health::default(), CancellationToken::new());
    Service::start(store, &own.namespace, &health, FlowControl::off(), stop).await.unwrap().0
}

/// All events of the log, whether or not a hole is left.
async fn log(store: &MongoDb) -> Vec<Logged> {
    let commits = store.read(0, 1_000).await.unwrap().into_iter().filter_map(Entry::into_commit);
    let recorded = |commit: Commit| commit.recorded().map(Logged::from).collect::<Vec<_>>();
    commits.flat_map(recorded).collect()
}

fn judged(log: &[Logged], known: &Known) -> Vec<String> {
    let mut violations = vec![];
    log_is_true(log, known, &mut violations);
    violations
}

async fn judged_with_the_exchange(
    store: &MongoDb,
    known: &Known,
    recorder: &Recorder,
) -> Vec<String> {
    let log = log(store).await;
    let mut violations = judged(&log, known);
    let messages = recorder.all(log.last().unwrap().address).await;
    exchange_is_complete(&log, &messages, &mut violations);
    violations
}

fn clean(violations: &[String]) {
    assert!(violations.is_empty(), "the rule was kept: {violations:#?}");
}

fn found(violations: &[String], what: &str) {
    assert!(violations.iter().any(|violation| violation.contains(what)), "{violations:#?}");
}

/// A relay is started again after it published events that reached no queue.
async fn restarted_before_the_confirm(moved: bool) -> Vec<String> {
    let own = Own::default();
    let store = own.mongodb().await;
    let orders = command_api(&own, Arc::new(store.clone())).await;
    let mut client = RecordingClient::default();
    for _ in 0..3 {
        client.ask(&orders, Uuid::new_v4(), create(100)).await;
    }
    let relay = Relaying::start(&own).await;
    relay.until_returned().await;
    relay.stop().await;
    if moved {
        let head = store.head().await.unwrap();
        store.move_relay_checkpoint(&orders.log, head).await.unwrap();
    }
    // Bound while no relay runs, so that it does not come in the middle of a run.
    let recorder = Recorder::bind(&servers::rabbitmq(), own.namespace.as_str()).await;
    let relay = Relaying::start(&own).await;
    client.ask(&orders, Uuid::new_v4(), create(100)).await;
    let violations = judged_with_the_exchange(&store, &client.known, &recorder).await;
    relay.stop().await;
    recorder.remove().await;
    own.remove().await;
    violations
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_moves_before_the_confirm_is_found() {
    clean(&restarted_before_the_confirm(false).await);
    let violations = restarted_before_the_confirm(true).await;
    found(&violations, "the exchange carried 1 of 4 events");
}

/// A writer freezes with its position drawn; it wakes up when the hole is sealed and relayed past.
async fn sealed_while_its_writer_froze(overwrites: bool) -> Vec<String> {
    let own = Own::default();
    let recorder = Recorder::bind(&servers::rabbitmq(), own.namespace.as_str()).await;
    let store = own.mongodb().await;
    let flaw = if overwrites { Flaw::Overwrites(commits(&own).await) } else { Flaw::Nothing };
    let frozen = Decorator::over(Arc::new(store.clone()), Frozen::new(flaw));
    let one = command_api(&own, frozen.clone()).await;
    let two = command_api(&own, Arc::new(store.clone())).await;
    let relay = Relaying::start(&own).await;
    let mut client = RecordingClient::default();
    let late = client.send(&one, Uuid::new_v4(), create(100));
    frozen.hooks.until_frozen().await;
    client.ask(&two, Uuid::new_v4(), create(100)).await;
    let head = store.head().await.unwrap();
    until("the relay has passed the hole", || async {
        (store.relay_checkpoint(&one.log).await.ok()? >= head).then_some(())
    })
    .await;
    frozen.hooks.thaw(&store).await;
    assert!(matches!(client.hear(late).await, Told::Acknowledged { version: 1, .. }));
    let violations = judged_with_the_exchange(&store, &client.known, &recorder).await;
    relay.stop().await;
    recorder.remove().await;
    own.remove().await;
    violations
}

async fn commits(own: &Own) -> mongodb::Collection<mongodb::bson::Document> {
    let client = mongodb::Client::with_uri_str(servers::mongodb()).await.unwrap();
    client.database(own.namespace.as_str()).collection("commits")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_writes_where_a_hole_was_sealed_is_found() {
    clean(&sealed_while_its_writer_froze(false).await);
    let violations = sealed_while_its_writer_froze(true).await;
    found(&violations, "the exchange carried 1 of 2 events");
}

/// A payment is on its way; another process takes its version; a shipment is asked for.
async fn shipped_with_the_payment_in_flight(flaw: Flaw) -> Vec<String> {
    let own = Own::default();
    let store = own.mongodb().await;
    let frozen = Decorator::over(Arc::new(store.clone()), Frozen::new(flaw));
    let one = command_api(&own, frozen.clone()).await;
    let two = command_api(&own, Arc::new(store.clone())).await;
    let (mut client, order) = (RecordingClient::default(), Uuid::new_v4());
    client.ask(&two, order, create(100)).await;
    let paid = client.send(&one, order, payment(100));
    frozen.hooks.until_frozen().await;
    assert!(matches!(
        client.ask(&two, order, addition(item("B", 1, 50))).await,
        Told::Acknowledged { version: 2, .. }
    ));
    let shipped = client.send(&one, order, shipment());
    frozen.hooks.thaw(&store).await;
    client.hear(shipped).await;
    drop(paid); // Its outcome is not noted: this is about the shipment, not a lost payment.
    let violations = judged(&log(&store).await, &client.known);
    own.remove().await;
    violations
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_commit_of_a_stream_in_flight_is_found() {
    clean(&shipped_with_the_payment_in_flight(Flaw::Nothing).await);
    let violations = shipped_with_the_payment_in_flight(Flaw::TellsEarly).await;
    assert_eq!(violations.len(), 1, "{violations:#?}");
    found(&violations, "version 3, ProductShipped, is illegal: not-paid-in-full");
}

/// One command-api is asked to ship what was paid through another.
async fn shipped_after_another_was_paid(
    own: Own,
    store: MongoDb,
    stores: [Arc<dyn EventStore>; 2],
) -> Vec<String> {
    let [one, two] = stores;
    let (one, two) = (command_api(&own, one).await, command_api(&own, two).await);
    let (mut client, order) = (RecordingClient::default(), Uuid::new_v4());
    client.ask(&one, order, create(100)).await;
    client.ask(&two, order, payment(100)).await;
    client.ask(&one, order, shipment()).await;
    let violations = judged(&log(&store).await, &client.known);
    own.remove().await;
    violations
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_was_decided_on_a_cache_is_found() {
    let own = Own::default();
    let store = own.mongodb().await;
    let plain = || Arc::new(store.clone()) as Arc<dyn EventStore>;
    clean(&shipped_after_another_was_paid(own, store.clone(), [plain(), plain()]).await);
    let own = Own::default();
    let store = own.mongodb().await;
    let remembering = || Decorator::over(Arc::new(store.clone()), Remembering::default());
    let stores: [Arc<dyn EventStore>; 2] = [remembering(), remembering()];
    let violations = shipped_after_another_was_paid(own, store.clone(), stores).await;
    assert_eq!(violations.len(), 1, "{violations:#?}");
    found(&violations, "was refused: not-paid-in-full");
}
