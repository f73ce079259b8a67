//! command-api as a service of its own: MongoDB, RabbitMQ, HTTP.

use std::sync::Arc;
use std::time::Duration;

use shared::aggregate::Aggregate;
use shared::event_store::mongodb::MongoDb;
use shared::health::Health;
use shared::http::{Limits, serve};
use shared::rabbitmq::RabbitMq;
use shared::service_gate::Gate;
use shared::wait::until_there;
use shared::{Failure, Result};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::relay::Relay;
use crate::{Service, routes};

/// For commands, and then for the relay, to end after the last request.
const DEADLINE: Duration = Duration::from_secs(5);

/// Runs until `stop`, then lets requests and the relay end.
pub async fn run<A: Aggregate>(
    config: Config,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<()>
where
    A::State: serde::Serialize,
{
    let health = Health::of(&["mongodb", "relay"]);
    let gate = Gate::<Service<A>>::default();
    let routes = routes::routes(gate.clone(), health.clone());
    if let Ok(address) = listener.local_addr() {
        tracing::info!("command-api listens on http://{address}");
    }
    let http = tokio::spawn(serve(listener, routes, Limits::default(), stop.clone()));
    let worked = work(&config, &gate, health, &stop).await;
    stop.cancel();
    let abandoned = http.await.map_err(|error| Failure::transient("serving HTTP", error))?;
    if abandoned > 0 {
        tracing::warn!(abandoned, "connections were cut at the deadline");
    }
    let ended = worked?;
    gate.close();
    if let Some((desk, relay_stop, relay)) = ended {
        // Every command that was taken is answered before the relay stops.
        if tokio::time::timeout(DEADLINE, desk).await.is_err() {
            tracing::warn!("commands of unknown outcome were abandoned at the deadline");
        }
        relay_stop.cancel();
        if tokio::time::timeout(DEADLINE, relay).await.is_err() {
            tracing::warn!("the relay was abandoned at the deadline");
        }
    }
    Ok(())
}

type Handle = tokio::task::JoinHandle<()>;

/// Builds the service once its log is there, and waits for `stop`.
async fn work<A: Aggregate>(
    config: &Config,
    gate: &Gate<Service<A>>,
    health: Health,
    stop: &CancellationToken,
) -> Result<Option<(Handle, CancellationToken, Handle)>> {
    let connect = || MongoDb::connect(&config.mongodb_url, &config.namespace);
    let Some(store) = until_there("mongodb", &health, stop, connect).await? else {
        return Ok(None);
    };
    let started = Service::start(Arc::new(store.clone()), &config.namespace, stop.clone()).await;
    let (service, desk) = started?;
    let broker = RabbitMq::new(&config.rabbitmq_url, &config.namespace);
    let relay_stop = CancellationToken::new();
    let relay = Relay::new(store, broker, service.log.clone(), &config.namespace, health);
    let relay = tokio::spawn(relay.run(relay_stop.clone()));
    gate.open(service);
    stop.cancelled().await;
    Ok(Some((desk, relay_stop, relay)))
}
