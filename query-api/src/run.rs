//! query-api as a service of its own: Redis alone.

use std::sync::Arc;
use std::time::Duration;

use kernel::query::Queries;
use kernel::{Failure, Result};
use shared::http::{Limits, serve};
use shared::service::health::Health;
use shared::service::retry::until_connected;
use shared::service::slot::ServiceSlot;
use shared::view_store::redis::Redis;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::{Service, routes};

/// Between two looks whether there are views.
const READINESS_POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Runs until `stop`; requests under way end first.
pub async fn run(
    config: Config,
    queries: Arc<dyn Queries>,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<()> {
    let health = Health::of(&["redis", "views"]);
    let slot = ServiceSlot::<Service>::default();
    if let Ok(address) = listener.local_addr() {
        tracing::info!("query-api listens on http://{address}");
    }
    let routes = routes::routes(slot.clone(), health.clone());
    let (hosts, limits) = (config.hosts.clone(), Limits::of_process(1));
    let http = tokio::spawn(serve(listener, routes, hosts, limits, stop.clone()));
    let worked = work(&config, queries, &slot, &health, &stop).await;
    stop.cancel();
    let abandoned = http.await.map_err(|error| Failure::transient("serving HTTP", error))?;
    if abandoned > 0 {
        tracing::warn!(abandoned, "connections were cut at the deadline");
    }
    worked
}

async fn work(
    config: &Config,
    queries: Arc<dyn Queries>,
    slot: &ServiceSlot<Service>,
    health: &Health,
    stop: &CancellationToken,
) -> Result<()> {
    let redis = || Redis::connect(&config.redis_url, &config.namespace);
    let Some(views) = until_connected("redis", health, stop, redis).await? else { return Ok(()) };
    slot.fill(Service::new(Arc::new(views), queries, stop.clone()));
    while !stop.is_cancelled() {
        if let Ok(service) = slot.service() {
            watch(&service, health).await;
        }
        tokio::select! {
            () = tokio::time::sleep(READINESS_POLL_INTERVAL) => {}
            () = stop.cancelled() => {}
        }
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
