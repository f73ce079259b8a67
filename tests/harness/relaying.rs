//! The relay of one command-api, in a task of its own.

use std::sync::Arc;

use command_api::relay::Relay;
use command_api::seal::Sealer;
use shared::event_store::EventStore as _;
use shared::messaging::rabbitmq::RabbitMq;
use shared::service::health::Health;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{Own, until};

pub struct Relaying {
    pub health: Health,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Relaying {
    pub async fn start(own: &Own) -> Self {
        Self::start_with(own, own.rabbitmq(), Health::of(&["relay"])).await
    }

    /// The same, to a broker that is reached in another way.
    pub async fn start_with(own: &Own, broker: RabbitMq, health: Health) -> Self {
        let store = own.mongodb().await;
        let log = store.log_id().await.unwrap();
        let stop = CancellationToken::new();
        let sealer = Sealer::new(Arc::new(store.clone()), 0);
        sealer.start(&health, stop.clone());
        let relay = Relay::new(store, broker, log, &own.namespace, 64, health.clone());
        Self { health, task: relay.start(stop.clone()), stop }
    }

    pub fn is_ready(&self) -> bool {
        self.health.waiting().is_empty()
    }

    /// Waits until it has tried to publish while no queue is bound to the exchange.
    pub async fn until_returned(&self) {
        until("the relay says what it waits for", || async {
            let waiting = self.health.waiting();
            waiting.get("relay").is_some_and(|why| why.contains("no queue is bound")).then_some(())
        })
        .await;
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
        let why = self.health.waiting().remove("relay");
        assert!(!why.as_ref().is_some_and(|why| why.contains("fault")), "{why:?}");
    }
}
