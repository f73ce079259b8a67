//! query-api as a service of its own: Redis alone.

use std::sync::Arc;

use kernel::Result;
use kernel::query::Queries;
use shared::auth::Authenticator;
use shared::diagnosis::{self, log_findings};
use shared::http::{Callers, Cors, Listener, Origins};
use shared::service::clock;
use shared::service::retry::until_connected;
use shared::service::shell::Shell;
use shared::view_store::redis::Redis;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::freshness::Freshness;
use crate::{Service, routes};

/// Runs until `stop`; requests under way end first.
pub async fn run(
    config: Config,
    queries: Arc<dyn Queries>,
    listener: Listener,
    stop: CancellationToken,
) -> Result<()> {
    let shell = Shell::new(&["redis", "views"], stop);
    let (slot, health) = (shell.slot.clone(), shell.health.clone());
    let authenticator = Authenticator::start(&config.auth, &shell.health, &shell.stop)?;
    let (links, contract) = (config.links.clone(), queries.contract());
    let (routes, guard) = routes::routes(slot, health, links, contract, authenticator.as_ref());
    let cors = Cors::new(config.cors_origins.clone(), Origins::default(), guard.is_some());
    let callers = Callers { hosts: config.hosts.clone(), cors, guard };
    let work = work(&config, queries, &shell);
    shell.serve("query-api", listener, callers, routes, work).await
}

async fn work(
    config: &Config,
    queries: Arc<dyn Queries>,
    Shell { slot, health, stop }: &Shell<Service>,
) -> Result<()> {
    let redis = || Redis::connect(&config.redis, &config.namespace);
    let Some(views) = until_connected("redis", health, stop, redis).await? else { return Ok(()) };
    let (server, namespace) = (config.redis.clone(), config.namespace.clone());
    let checks = async move {
        let (found, _) = Redis::diagnose(server, &namespace).await;
        [found, diagnosis::machine()].concat()
    };
    log_findings(checks, stop);
    tokio::spawn(clock::watch("redis", views.clone(), health.clone(), stop.clone()));
    let (views, stop_reading) = (Arc::new(views), stop.clone());
    slot.fill(Service::watched(views, queries, stop_reading, health.liveness()));
    let freshness = Freshness::new(config.ready_max_lag);
    if let Ok(service) = slot.service() {
        freshness.watch(&service, health, stop).await;
    }
    Ok(())
}
