//! query-api as a service of its own: Redis alone.

use std::sync::Arc;
use std::time::Duration;

use kernel::Result;
use kernel::query::Queries;
use secrecy::ExposeSecret as _;
use shared::auth::Authenticator;
use shared::http::Callers;
use shared::service::health::Health;
use shared::service::retry::until_connected;
use shared::service::shell::Shell;
use shared::view_store::redis::Redis;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::{Service, routes};

/// Between two looks whether there are views.
const READINESS_POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Runs until `stop`; requests under way end first.
pub async fn run(
    config: Config,
    queries: Arc<dyn Queries>,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<()> {
    let shell = Shell::new(&["redis", "views"], stop);
    let (slot, health) = (shell.slot.clone(), shell.health.clone());
    let authenticator = Authenticator::start(&config.auth, &shell.stop)?;
    let (links, contract) = (config.links.clone(), queries.contract());
    let (routes, guard) = routes::routes(slot, health, links, contract, authenticator.as_ref());
    let callers = Callers { hosts: config.hosts.clone(), guard, ..Callers::default() };
    let work = work(&config, queries, &shell);
    shell.serve("query-api", listener, callers, routes, work).await
}

async fn work(
    config: &Config,
    queries: Arc<dyn Queries>,
    Shell { slot, health, stop }: &Shell<Service>,
) -> Result<()> {
    let redis = || Redis::connect(config.redis_url.expose_secret(), &config.namespace);
    let Some(views) = until_connected("redis", health, stop, redis).await? else { return Ok(()) };
    slot.fill(Service::new(Arc::new(views), queries, stop.clone()));
    while !stop.is_cancelled() {
        if let Ok(service) = slot.service() {
            watch(&service, health).await;
        }
        stop.run_until_cancelled(tokio::time::sleep(READINESS_POLL_INTERVAL)).await;
    }
    Ok(())
}

/// Keeps `/readyz` true.
pub async fn watch(service: &Service, health: &Health) {
    match service.is_ready().await {
        Ok(()) => health.ready("views"),
        Err(why) => health.waits("views", why),
    }
}
