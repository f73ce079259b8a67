//! A relay while another one leads: here the test itself, which publishes nothing.

use std::time::Duration;

use shared::event_store::mongodb::MongoDb;
use shared::messaging::rabbitmq::RabbitMq;
use shared::service::health::Health;
use tests::relaying::Relaying;
use tests::{Own, until};
use tokio::net::TcpListener;

/// Of the test's lease. Relays take one for stale that is longer than two of their own terms: 12 s.
const TERM: Duration = Duration::from_secs(10);
const LEADER: &str = "the test";
/// What a command-api leaves its relay to end.
const STOPPED: Duration = Duration::from_secs(5);

/// From here on the test leads.
async fn lead(store: &MongoDb) {
    until("the test leads", || async {
        store.lease_relay(LEADER, TERM).await.unwrap().then_some(())
    })
    .await;
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
