//! A relay while another one leads: here the test itself, which publishes nothing.

use std::time::Duration;

use kernel::log::Entry;
use shared::event_store::EventStore as _;
use shared::event_store::mongodb::MongoDb;
use shared::messaging::rabbitmq::RabbitMq;
use shared::service::health::Health;
use tests::proxy::Proxies;
use tests::relaying::Relaying;
use tests::services::Urls;
use tests::{Own, comes, until};
use tokio::net::TcpListener;

use super::{Recorder, commit};

/// Of the test's lease. Relays take one for stale that is longer than two of their own terms: 12 s.
const TERM: Duration = Duration::from_secs(10);
const LEADER: &str = "the test";
/// Several turns of a relay that waits, or that has failed: each rests for a second at most.
const TURNS: Duration = Duration::from_secs(3);
/// What a command-api leaves its relay to end.
const STOPPED: Duration = Duration::from_secs(5);

/// From here on the test leads.
async fn lead(store: &MongoDb) {
    until("the test leads", || async {
        store.lease_relay(LEADER, TERM).await.unwrap().then_some(())
    })
    .await;
}

async fn none_becomes_ready(relays: &[&Relaying]) {
    let ready = || async { relays.iter().any(|relay| relay.is_ready()).then_some(()) };
    assert_eq!(comes(TURNS, ready).await, None, "a relay says that it is ready");
}

async fn until_ready(relays: &[&Relaying]) {
    until("all relays are ready", || async {
        relays.iter().all(|relay| relay.is_ready()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn relays_that_do_not_reach_the_broker_are_not_ready_whichever_leads() {
    let own = Own::default();
    let store = own.mongodb().await;
    let proxies = Proxies::before(&Urls::of_the_run());
    proxies.rabbitmq.refuse();
    lead(&store).await;
    let broker = RabbitMq::new(&proxies.urls().rabbitmq, &own.namespace);
    let start = || Relaying::start_with(&own, broker.clone(), Health::of(&["relay"]));
    let (one, two) = (start().await, start().await);
    none_becomes_ready(&[&one, &two]).await;
    store.release_relay(LEADER).await.unwrap();
    none_becomes_ready(&[&one, &two]).await;
    proxies.rabbitmq.resume();
    until_ready(&[&one, &two]).await;
    one.stop().await;
    two.stop().await;
    own.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn relays_that_reach_the_broker_and_can_not_publish_are_not_ready_whichever_leads() {
    let own = Own::default();
    let store = own.mongodb().await;
    store.insert(&[Entry::Commit(commit(1))]).await.unwrap();
    let (one, two) = (Relaying::start(&own).await, Relaying::start(&own).await);
    // No queue is bound.
    one.until_returned().await;
    two.until_returned().await;
    none_becomes_ready(&[&one, &two]).await;
    lead(&store).await;
    none_becomes_ready(&[&one, &two]).await;
    store.release_relay(LEADER).await.unwrap();
    let mut recorder = Recorder::bind(&own).await;
    until_ready(&[&one, &two]).await;
    recorder.until(1).await;
    one.stop().await;
    two.stop().await;
    recorder.connection.close(200, "".into()).await.unwrap();
    own.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_could_not_publish_is_ready_once_another_one_has_published() {
    let own = Own::default();
    let store = own.mongodb().await;
    let log = store.log_id().await.unwrap();
    store.insert(&[1, 2].map(|position| Entry::Commit(commit(position)))).await.unwrap();
    let relay = Relaying::start(&own).await;
    relay.until_returned().await;
    lead(&store).await;
    none_becomes_ready(&[&relay]).await;
    // Not all of it: the other one may have more to publish at any time.
    store.move_relay_checkpoint(&log, 1).await.unwrap();
    until_ready(&[&relay]).await;
    relay.stop().await;
    own.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_connects_to_a_broker_that_hangs_stops_all_the_same() {
    for is_standby in [false, true] {
        let own = Own::default();
        let store = own.mongodb().await;
        if is_standby {
            lead(&store).await;
        }
        let hangs = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("amqp://{}/%2f", hangs.local_addr().unwrap());
        let broker = RabbitMq::new(&url, &own.namespace);
        let relay = Relaying::start_with(&own, broker, Health::of(&["relay"])).await;
        let _connected = hangs.accept().await.unwrap();
        tokio::time::timeout(STOPPED, relay.stop()).await.expect("it does not wait any longer");
        own.remove().await;
    }
}
