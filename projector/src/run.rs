//! The projector as a service of its own: MongoDB, RabbitMQ, Redis.

use std::sync::Arc;
use std::time::Duration;

use kernel::Result;
use kernel::projection::ErasedProjection;
use shared::auth::Authenticator;
use shared::diagnosis::{self, Finding, log_findings};
use shared::event_store::EventStore as _;
use shared::event_store::mongodb::{CONNECTIONS, MongoDb};
use shared::feed::queue::Queues;
use shared::http::{Callers, Cors, Listener, Origins};
use shared::messaging::rabbitmq::RabbitMq;
use shared::service::clock;
use shared::service::health::Health;
use shared::service::metrics::tell_of;
use shared::service::retry::until_connected;
use shared::service::shell::Shell;
use shared::service::vital::restarting;
use shared::view_store::ViewStore as _;
use shared::view_store::redis::Redis;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::config::Config;
use crate::{Dependencies, Operations, Worker, admin};

/// Between two looks whether a server can be reached.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Serves HTTP on the listener and works until `stop`; a batch under way is finished first. Until all
/// servers are there, operators get 503. Fails when a server can't be used at all, as by its version.
pub async fn run(
    config: Config,
    projection: Arc<dyn ErasedProjection>,
    listener: Listener,
    stop: CancellationToken,
) -> Result<()> {
    let shell = Shell::new(&["mongodb", "redis", "views"], stop);
    let authenticator = Authenticator::start(&config.auth, &shell.health, &shell.stop)?;
    let (slot, health) = (shell.slot.clone(), shell.health.clone());
    let (routes, guard) = admin::routes(slot, health, authenticator.as_ref());
    let work = work(&config, projection, &shell);
    let cors = Cors::new(Origins::default(), config.cors_origins.clone(), guard.is_some());
    let callers = Callers { hosts: config.hosts.clone(), cors, guard };
    shell.serve("projector", listener, callers, routes, work).await
}

async fn work(
    config: &Config,
    projection: Arc<dyn ErasedProjection>,
    Shell { slot, health, stop }: &Shell<Operations>,
) -> Result<()> {
    let mongodb = || MongoDb::connect(&config.mongodb, &config.namespace);
    let Some(store) = until_connected("mongodb", health, stop, mongodb).await? else {
        return Ok(());
    };
    // The search for Redis may last, and MongoDB may go away meanwhile.
    let log = store.clone();
    let asks_log = move || {
        let log = log.clone();
        async move { log.log_id().await.map(drop) }
    };
    tokio::spawn(watch("mongodb", asks_log, health.clone(), stop.clone()));
    let redis = || Redis::connect(&config.redis, &config.namespace);
    let Some(views) = until_connected("redis", health, stop, redis).await? else { return Ok(()) };
    tell_of(&[&CONNECTIONS]);
    tokio::spawn(clock::watch("mongodb", store.clone(), health.clone(), stop.clone()));
    tokio::spawn(clock::watch("redis", views.clone(), health.clone(), stop.clone()));
    let live = views.clone();
    let asks_views = move || {
        let live = live.clone();
        async move { live.live().await.map(drop) }
    };
    tokio::spawn(watch("redis", asks_views, health.clone(), stop.clone()));
    log_findings(check(config), stop);
    let broker = RabbitMq::new(&config.rabbitmq, &config.namespace);
    let worker = Worker::new(Dependencies {
        store: Arc::new(store.clone()),
        operation_log: Arc::new(store.clone()),
        views: Arc::new(views),
        feeds: Arc::new(Queues::new(broker, store, config.namespace.clone())),
        projection,
        health: health.clone(),
        holder: Uuid::new_v4().to_string(),
    });
    slot.fill(worker.operations());
    worker.run(stop.clone()).await;
    Ok(())
}

/// What an operator should mend at the servers and at this machine.
fn check(config: &Config) -> impl Future<Output = Vec<Finding>> + Send + use<> {
    let (mongodb, redis) = (config.mongodb.clone(), config.redis.clone());
    let namespace = config.namespace.clone();
    let broker = RabbitMq::new(&config.rabbitmq, &namespace);
    async move {
        let (log, _) = MongoDb::diagnose(mongodb, &namespace).await;
        let (views, _) = Redis::diagnose(redis, &namespace).await;
        [log, views, broker.diagnose_quietly().await, diagnosis::machine()].concat()
    }
}

/// Tells whether a server can be reached, whatever the worker does, and also after a fault: while another
/// server is away the worker serves nothing, and asks this one nothing.
async fn watch<F: Future<Output = Result<()>>>(
    part: &'static str,
    ask: impl Fn() -> F,
    health: Health,
    stop: CancellationToken,
) {
    let looks = || async {
        while !stop.is_cancelled() {
            match ask().await {
                Ok(()) => health.ready(part),
                Err(failure) => health.waits(part, failure),
            }
            stop.run_until_cancelled(tokio::time::sleep(POLL_INTERVAL)).await;
        }
    };
    restarting(&health, part, looks).await;
}
