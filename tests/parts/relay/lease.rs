//! The lease of a relay that waits for confirms.

use std::time::Duration;

use kernel::log::Entry;
use shared::event_store::EventStore as _;
use shared::messaging::rabbitmq::RabbitMq;
use shared::service::health::Health;
use tests::proxy::Proxies;
use tests::relaying::Relaying;
use tests::services::Urls;
use tests::{Own, comes, until, within};

use super::{Recorder, commit};

/// Of the test's lease. Relays take one for over that is longer than two of their own terms: 12 s.
const TERM: Duration = Duration::from_secs(10);
const LEADER: &str = "the test";
/// Longer than the term of a relay's lease, and shorter than it waits for a confirm.
const LONG: Duration = Duration::from_secs(7);
/// For the relay to find its lease gone, and to end. It waits 20 s for a confirm, 7 of which are over.
const ENDED: Duration = Duration::from_secs(11);

/// The messages arrive, and nothing that the broker answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_lasts_keeps_its_lease_and_ends_with_it() {
    let own = Own::default();
    let mut recorder = Recorder::bind(&own).await;
    let store = own.mongodb().await;
    let log = store.log_id().await.unwrap();
    let proxies = Proxies::before(&Urls::of_the_run());
    let broker = RabbitMq::new(&proxies.urls().rabbitmq, &own.namespace);
    let relay = Relaying::start_with(&own, broker, Health::of(&["relay"])).await;
    until("it leads", || async { relay.is_ready().then_some(()) }).await;
    proxies.rabbitmq.lose("{\"n\":1}");
    store.insert(&[Entry::Commit(commit(1))]).await.unwrap();
    recorder.until(1).await;
    let lease = async |term| store.lease_relay(LEADER, term).await.unwrap();
    let taken = comes(LONG, || async { lease(TERM).await.then_some(()) }).await;
    assert_eq!(taken, None, "another one leads");
    // A lease of more than two of the terms that are asked for counts as over. The relay's has 4 s left.
    until("it is taken from the relay", || async {
        (lease(Duration::from_secs(1)).await && lease(TERM).await).then_some(())
    })
    .await;
    within(ENDED, "the relay says that another one leads", || async {
        let told = relay.health.notes();
        told.get("relay").is_some_and(|note| note.contains("another process")).then_some(())
    })
    .await;
    assert_eq!(store.relay_checkpoint(&log).await.unwrap(), 0, "no more than was confirmed");
    store.release_relay(LEADER).await.unwrap();
    assert_eq!(recorder.until(1).await, [(1, 0), (1, 1)], "it comes again");
    until("it is confirmed", || async {
        (store.relay_checkpoint(&log).await.unwrap() == 1).then_some(())
    })
    .await;
    relay.stop().await;
    recorder.connection.close(200, "".into()).await.unwrap();
    own.remove().await;
}
