//! What the exchange gets.

mod lease;
mod obstruction;
mod standby;
mod stopping;

use std::sync::Arc;
use std::time::Duration;

use ::orders::OrderAggregate;
use command_api::seal::Sealer;
use futures::StreamExt as _;
use kernel::log::{Commit, Entry, Position};
use serde_json::json;
use shared::event_store::{EventStore as _, Inserted};
use shared::service::health::Health;
use tests::Own;
use tests::orders;
use tests::prometheus::counted_here;
use tests::relaying::Relaying;
use tests::torture::recorder::{address, events};
use tests::{until, within};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// For holes to be sealed: a second from when they are seen.
const SEALED: Duration = Duration::from_secs(3);

/// Of two events.
fn commit(position: Position) -> Commit {
    let happened = ("Happened", json!({ "n": position }));
    let events = [&happened, &happened].map(orders::event).to_vec();
    Commit { to: 2, events, ..orders::commit(position, &orders::stream(), 1, &happened) }
}

/// A queue of the test's own on the exchange, and everything that came to it.
struct Recorder {
    connection: lapin::Connection,
    deliveries: lapin::Consumer,
}

impl Recorder {
    async fn bind(own: &Own) -> Self {
        let connection =
            lapin::Connection::connect(&tests::servers::rabbitmq(), Default::default())
                .await
                .unwrap();
        let channel = connection.create_channel().await.unwrap();
        let exchange = own.rabbitmq().exchange();
        let durable =
            lapin::options::ExchangeDeclareOptions { durable: true, ..Default::default() };
        channel
            .exchange_declare(
                exchange.as_str().into(),
                lapin::ExchangeKind::Fanout,
                durable,
                Default::default(),
            )
            .await
            .unwrap();
        let exclusive =
            lapin::options::QueueDeclareOptions { exclusive: true, ..Default::default() };
        let queue = channel.queue_declare("".into(), exclusive, Default::default()).await.unwrap();
        let name = queue.name().clone();
        channel
            .queue_bind(
                name.clone(),
                exchange.as_str().into(),
                "".into(),
                Default::default(),
                Default::default(),
            )
            .await
            .unwrap();
        let no_ack = lapin::options::BasicConsumeOptions { no_ack: true, ..Default::default() };
        let deliveries =
            channel.basic_consume(name, "".into(), no_ack, Default::default()).await.unwrap();
        Self { connection, deliveries }
    }

    /// Addresses of the events up to a position, in the order of their arrival.
    async fn until(&mut self, last: Position) -> Vec<(Position, u64)> {
        let mut addresses = vec![];
        while addresses.last() != Some(&(last, 1)) {
            let delivery = self.deliveries.next().await.unwrap().unwrap();
            let events = events(&delivery.data);
            assert_eq!(
                delivery.properties.message_id().as_ref().unwrap().as_str(),
                events[0]["id"].as_str().unwrap()
            );
            addresses.extend(events.iter().map(address));
        }
        addresses
    }
}

/// First arrivals ascend without a gap, whatever comes again.
fn is_complete(addresses: &[(Position, u64)], commits: &[Position]) {
    let expected: Vec<_> =
        commits.iter().flat_map(|position| [(*position, 0), (*position, 1)]).collect();
    let mut first = vec![];
    for address in addresses {
        if !first.contains(address) {
            first.push(*address);
        }
    }
    assert_eq!(first, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_relays_publish_everything_in_log_order() {
    let own = Own::default();
    let mut recorder = Recorder::bind(&own).await;
    let store = own.mongodb().await;
    let (one, two) = (Relaying::start(&own).await, Relaying::start(&own).await);
    for group in 0..20 {
        let commits = (1..=25).map(|n| Entry::Commit(commit(group * 25 + n)));
        store.insert(&commits.collect::<Vec<_>>()).await.unwrap();
    }
    let addresses = recorder.until(500).await;
    is_complete(&addresses, &(1..=500).collect::<Vec<_>>());
    one.stop().await;
    // The other takes over, from what was confirmed.
    store.insert(&[Entry::Commit(commit(501))]).await.unwrap();
    let addresses = recorder.until(501).await;
    assert_eq!(addresses.last(), Some(&(501, 1)));
    // A stop leaves its confirm a second.
    until("what is published is told", || async {
        (store.published().await.unwrap() == Some(501)).then_some(())
    })
    .await;
    two.stop().await;
    recorder.connection.close(200, "".into()).await.unwrap();
    own.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_is_sealed_and_its_writer_finds_its_position_taken() {
    let own = Own::default();
    let mut recorder = Recorder::bind(&own).await;
    let store = own.mongodb().await;
    let relay = Relaying::start(&own).await;
    // Several holes: of writers that drew 2, 4 and 5 and froze.
    for position in [1, 3, 6] {
        store.insert(&[Entry::Commit(commit(position))]).await.unwrap();
    }
    is_complete(&recorder.until(6).await, &[1, 3, 6]);
    // They wake up.
    let late: Vec<Entry> = [2, 4, 5].map(|position| Entry::Commit(commit(position))).to_vec();
    assert_eq!(store.insert(&late).await.unwrap(), [Inserted::Duplicate; 3]);
    relay.stop().await;
    recorder.connection.close(200, "".into()).await.unwrap();
    own.remove().await;
}

/// A second from when they are seen: neither one after another, nor a thousand positions at a time.
#[tokio::test(flavor = "multi_thread")]
async fn many_holes_and_large_ones_are_sealed_at_once() {
    const LARGE: Position = 4_096;
    let own = Own::default();
    let store = own.mongodb().await;
    // Five of one position each, and one as large as writers leave behind a guess.
    let last = 12 + LARGE;
    let there = [1, 3, 5, 7, 9, 11, last].map(|position| Entry::Commit(commit(position)));
    store.insert(&there).await.unwrap();
    let (stop, health) = (CancellationToken::new(), Health::of(&[]));
    let sealer = Sealer::new(Arc::new(store.clone()), 0).start(&health, stop.clone());
    let all: Vec<Position> = (1..=last).collect();
    within(SEALED, "all holes are sealed", || async {
        (store.read_positions(0, all.len()).await.unwrap() == all).then_some(())
    })
    .await;
    stop.cancel();
    sealer.await.unwrap();
    assert!(health.waiting().is_empty(), "it did not end by a fault");
    own.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_queue_bound_the_relay_says_so_seals_holes_and_loses_nothing() {
    let own = Own::default();
    let store = own.mongodb().await;
    let returned = || counted_here("waybill_unpublished_messages_total{why=\"returned\"}");
    let failed = || counted_here("waybill_relay_failures_total");
    let before = (returned(), failed());
    let relay = Relaying::start(&own).await;
    for position in [1, 3] {
        store.insert(&[Entry::Commit(commit(position))]).await.unwrap();
    }
    relay.until_returned().await;
    assert!(returned() > before.0, "what comes back is counted");
    assert!(failed() > before.1, "and that the relay starts again");
    within(SEALED, "the hole is sealed", || async {
        (store.read(0, 10).await.unwrap().len() == 3).then_some(())
    })
    .await;
    let mut recorder = Recorder::bind(&own).await;
    is_complete(&recorder.until(3).await, &[1, 3]);
    until("it is ready", || async { relay.health.waiting().is_empty().then_some(()) }).await;
    relay.stop().await;
    recorder.connection.close(200, "".into()).await.unwrap();
    own.remove().await;
}

/// A writer with a counter that was set back takes greater positions all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_counter_set_back_costs_nothing() {
    use command_api::write::Writer;
    let own = Own::default();
    let store = own.mongodb().await;
    store
        .insert(&(1..=50).map(|position| Entry::Commit(commit(position))).collect::<Vec<_>>())
        .await
        .unwrap();
    let (writer, _scheduler) =
        Writer::<OrderAggregate>::start(Arc::new(store.clone()), Health::default());
    let request = tests::requests::request(orders::create(1), Uuid::new_v4(), None);
    let accepted = writer.submit(request).await.unwrap().unwrap();
    assert!(accepted.position > 50, "{accepted:?}");
    own.remove().await;
}
