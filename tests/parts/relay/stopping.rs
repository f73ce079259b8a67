//! A relay that stops while the broker does not confirm what was published.

use std::time::Duration;

use kernel::log::Entry;
use shared::event_store::EventStore as _;
use shared::messaging::rabbitmq::RabbitMq;
use shared::service::health::Health;
use tests::proxy::Proxies;
use tests::relaying::Relaying;
use tests::services::Urls;
use tests::{Own, until};
use tokio::time::timeout;

use super::{Recorder, commit};

/// A second for confirms and two for its connection, and the rest for a busy machine: where it does not stop, it
/// waits 20 s for a confirm.
const STOPPED: Duration = Duration::from_secs(15);
/// Of the test's lease.
const TERM: Duration = Duration::from_secs(6);
const LEADER: &str = "the test";

/// The messages arrive, and nothing that the broker answers: they come twice.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_confirmed_at_a_stop_is_published_again_by_the_next_leader() {
    let own = Own::default();
    let mut recorder = Recorder::bind(&own).await;
    let store = own.mongodb().await;
    let log = store.log_id().await.unwrap();
    let proxies = Proxies::before(&Urls::of_the_run());
    let broker = RabbitMq::new(&proxies.urls().rabbitmq, &own.namespace);
    let relay = Relaying::start_with(&own, broker, Health::of(&["relay"])).await;
    store.insert(&[Entry::Commit(commit(1))]).await.unwrap();
    recorder.until(1).await;
    until("the first commit is confirmed", || async {
        (store.relay_checkpoint(&log).await.unwrap() == 1).then_some(())
    })
    .await;
    proxies.rabbitmq.lose("{\"n\":2}");
    store.insert(&[Entry::Commit(commit(2))]).await.unwrap();
    recorder.until(2).await;
    let stopping = tokio::spawn(timeout(STOPPED, relay.stop()));
    until("another one leads", || async {
        store.lease_relay(LEADER, TERM).await.unwrap().then_some(())
    })
    .await;
    assert!(!stopping.is_finished(), "another one waits until the connection is closed");
    stopping.await.unwrap().expect("it waits for confirms no longer");
    assert_eq!(store.relay_checkpoint(&log).await.unwrap(), 1, "no more than was confirmed");
    store.release_relay(LEADER).await.unwrap();
    let next = Relaying::start(&own).await;
    assert_eq!(recorder.until(2).await, [(2, 0), (2, 1)]);
    // A stop leaves its confirm a second.
    until("it is confirmed", || async {
        (store.relay_checkpoint(&log).await.unwrap() == 2).then_some(())
    })
    .await;
    next.stop().await;
    recorder.connection.close(200, "".into()).await.unwrap();
    own.remove().await;
}
