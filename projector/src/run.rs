//! The projector as a service of its own: MongoDB, RabbitMQ, Redis.

use std::sync::Arc;

use kernel::Result;
use kernel::projection::ErasedProjection;
use secrecy::ExposeSecret as _;
use shared::auth::Authenticator;
use shared::event_store::mongodb::MongoDb;
use shared::feed::queue::Queues;
use shared::http::{Callers, Cors};
use shared::messaging::rabbitmq::RabbitMq;
use shared::service::retry::until_connected;
use shared::service::shell::Shell;
use shared::view_store::redis::Redis;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::config::Config;
use crate::{Dependencies, Operations, Worker, admin};

/// Serves HTTP on the listener and works until `stop`; a batch under way is finished first. Until all
/// servers are there, operators get 503. Fails when a server can't be used at all, as by its version.
pub async fn run(
    config: Config,
    projection: Arc<dyn ErasedProjection>,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<()> {
    let shell = Shell::new(&["mongodb", "redis", "views"], stop);
    let authenticator = Authenticator::start(&config.auth, &shell.stop)?;
    let (slot, health) = (shell.slot.clone(), shell.health.clone());
    let (routes, guard) = admin::routes(slot, health, authenticator.as_ref());
    let work = work(&config, projection, &shell);
    let cors = Cors::new(config.cors_origins.clone(), true, guard.is_some());
    let callers = Callers { hosts: config.hosts.clone(), cors, guard };
    shell.serve("projector", listener, callers, routes, work).await
}

async fn work(
    config: &Config,
    projection: Arc<dyn ErasedProjection>,
    Shell { slot, health, stop }: &Shell<Operations>,
) -> Result<()> {
    let mongodb = || MongoDb::connect(config.mongodb_url.expose_secret(), &config.namespace);
    let Some(store) = until_connected("mongodb", health, stop, mongodb).await? else {
        return Ok(());
    };
    let redis = || Redis::connect(config.redis_url.expose_secret(), &config.namespace);
    let Some(views) = until_connected("redis", health, stop, redis).await? else { return Ok(()) };
    let broker = RabbitMq::new(config.rabbitmq_url.expose_secret(), &config.namespace);
    let worker = Worker::new(Dependencies {
        store: Arc::new(store),
        views: Arc::new(views),
        feeds: Arc::new(Queues::new(broker, config.namespace.clone())),
        projection,
        health: health.clone(),
        holder: Uuid::new_v4().to_string(),
    });
    slot.fill(worker.operations());
    worker.run(stop.clone()).await;
    Ok(())
}
