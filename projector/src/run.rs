//! The projector as a service of its own: MongoDB, RabbitMQ, Redis.

use std::sync::Arc;

use shared::event_store::mongodb::MongoDb;
use shared::feed::queue::Queues;
use shared::health::Health;
use shared::http::{Limits, serve};
use shared::projection::Project;
use shared::rabbitmq::RabbitMq;
use shared::service_gate::Gate;
use shared::view_store::redis::Redis;
use shared::wait::until_there;
use shared::{Failure, Result};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::config::Config;
use crate::{Projector, admin};

/// Runs until `stop`; a batch under way is finished first.
pub async fn run(
    config: Config,
    projection: Arc<dyn Project>,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<()> {
    let health = Health::of(&["mongodb", "redis", "views"]);
    let gate = Gate::<Projector>::default();
    if let Ok(address) = listener.local_addr() {
        tracing::info!("projector listens on http://{address}");
    }
    let routes = admin::routes(gate.clone(), health.clone());
    let (hosts, limits) = (config.hosts.clone(), Limits::of_process(1));
    let http = tokio::spawn(serve(listener, routes, hosts, limits, stop.clone()));
    let worked = work(&config, projection, &gate, health, &stop).await;
    stop.cancel();
    let abandoned = http.await.map_err(|error| Failure::transient("serving HTTP", error))?;
    if abandoned > 0 {
        tracing::warn!(abandoned, "connections were cut at the deadline");
    }
    worked
}

async fn work(
    config: &Config,
    projection: Arc<dyn Project>,
    gate: &Gate<Projector>,
    health: Health,
    stop: &CancellationToken,
) -> Result<()> {
    let mongodb = || MongoDb::connect(&config.mongodb_url, &config.namespace);
    let Some(store) = until_there("mongodb", &health, stop, mongodb).await? else { return Ok(()) };
    let redis = || Redis::connect(&config.redis_url, &config.namespace);
    let Some(views) = until_there("redis", &health, stop, redis).await? else { return Ok(()) };
    let broker = RabbitMq::new(&config.rabbitmq_url, &config.namespace);
    let projector = Projector {
        store: Arc::new(store),
        views: Arc::new(views),
        feeds: Arc::new(Queues::new(broker, config.namespace.clone())),
        projection,
        health,
        holder: Uuid::new_v4().to_string(),
        parking: Arc::default(),
        loads: Arc::default(),
        serving: Arc::default(),
    };
    gate.open(projector.clone());
    projector.run(stop.clone()).await;
    Ok(())
}
