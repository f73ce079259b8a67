//! The routes of command-api over any log, served in the process of the test.

use std::sync::Arc;

use ::orders::OrderAggregate;
use command_api::Service;
use command_api::write::FlowControl;
use kernel::aggregate::Aggregate;
use shared::event_store::EventStore;
use shared::http::{Hosts, Limits, serve};
use shared::service::health::Health;
use shared::service::slot::ServiceSlot;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use waybill::client::Client;

use crate::client::OrderClient;

pub struct Serving<A: Aggregate = OrderAggregate> {
    pub client: Client,
    pub api: OrderClient,
    slot: ServiceSlot<Service<A>>,
    stop: CancellationToken,
    /// Ends with the number of connections that were abandoned.
    served: JoinHandle<usize>,
}

impl Serving {
    /// Listens on a free port.
    pub async fn start(store: Arc<dyn EventStore>) -> Self {
        Self::start_of(store).await
    }
}

impl<A: Aggregate> Serving<A> {
    /// The same, for an aggregate of any type.
    pub async fn start_of(store: Arc<dyn EventStore>) -> Self {
        let (slot, health) = (ServiceSlot::default(), Health::default());
        let stop = CancellationToken::new();
        let namespace = kernel::Namespace::default();
        let service =
            Service::<A>::start(store, &namespace, &health, FlowControl::off(), stop.clone());
        slot.fill(service.await.expect("the log answers").0);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let (routes, _) = command_api::routes::routes(slot.clone(), health, None);
        let limits = Limits::default();
        let served = tokio::spawn(serve(listener, routes, Hosts::default(), limits, stop.clone()));
        let client = Client::new(&base);
        Self { api: OrderClient::new(&client), client, slot, stop, served }
    }

    /// What its routes work with.
    pub fn service(&self) -> Arc<Service<A>> {
        self.slot.service().expect("it runs")
    }

    /// Requests under way are answered first.
    pub async fn stop(self) {
        self.stop.cancel();
        drop((self.api, self.client));
        self.served.await.expect("it ends");
    }
}
