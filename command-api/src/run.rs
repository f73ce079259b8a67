//! command-api as a service of its own: MongoDB, RabbitMQ, HTTP.

use std::sync::Arc;
use std::time::Duration;

use kernel::Result;
use kernel::aggregate::Aggregate;
use kernel::log::LogId;
use shared::auth::Authenticator;
use shared::diagnosis::{self, Finding, log_findings};
use shared::event_store::mongodb::{CONNECTIONS, MongoDb};
use shared::event_store::until_replaced;
use shared::http::{Callers, Cors, Listener};
use shared::messaging::rabbitmq::{RabbitMq, UNPUBLISHED};
use shared::service::clock;
use shared::service::health::Health;
use shared::service::metrics::tell_of;
use shared::service::retry::until_connected;
use shared::service::shell::Shell;
use shared::service::slot::ServiceSlot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::relay::Relay;
use crate::seal::Sealer;
use crate::{Service, routes};

/// For commands, and then for the relay, to end after the last request.
const END_TIMEOUT: Duration = Duration::from_secs(5);
/// For a task that is aborted. One that does not return ends by itself.
const ABORT_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs until `stop`, then lets requests and the relay end.
pub async fn run<A: Aggregate>(
    config: Config,
    listener: Listener,
    stop: CancellationToken,
) -> Result<()> {
    let shell = Shell::<Service<A>>::new(&["mongodb", "commands", "relay"], stop);
    let authenticator = Authenticator::start(&config.auth, &shell.health, &shell.stop)?;
    let (slot, health) = (shell.slot.clone(), shell.health.clone());
    let (routes, guard) = routes::routes(slot, health, authenticator.as_ref());
    let work = work(&config, &shell);
    let (readers, writers) = (config.cors_origins.clone(), config.cors_write_origins.clone());
    let cors = Cors::new(readers, writers, guard.is_some());
    let callers = Callers { hosts: config.hosts.clone(), cors, guard };
    let served = shell.serve("command-api", listener, callers, routes, work).await?;
    if let Some(served) = served {
        served.end(&shell.slot).await;
    }
    Ok(())
}

/// Serves the log that is there until `stop`. When another takes its place it starts afresh: what
/// was known of the one says nothing of the other.
async fn work<A: Aggregate>(
    config: &Config,
    Shell { slot, health, stop }: &Shell<Service<A>>,
) -> Result<Option<Served>> {
    let start = || Served::start(config, slot, health, stop);
    while let Some((store, served)) = until_connected("mongodb", health, stop, start).await? {
        log_findings(check(config), stop);
        let replaced = until_replaced(&store, &served.log, health);
        if stop.run_until_cancelled(replaced).await.is_none() {
            return Ok(Some(served));
        }
        health.waits("mongodb", "another log took the place of the one that was served");
        served.end(slot).await;
    }
    Ok(None)
}

/// What an operator should mend at the servers and at this machine.
fn check(config: &Config) -> impl Future<Output = Vec<Finding>> + Send + use<> {
    let (mongodb, namespace) = (config.mongodb.clone(), config.namespace.clone());
    let broker = RabbitMq::new(&config.rabbitmq, &namespace);
    async move {
        let (log, _) = MongoDb::diagnose(mongodb, &namespace).await;
        [log, broker.diagnose_quietly().await, diagnosis::machine()].concat()
    }
}

/// What works on a log beside the requests.
struct Served {
    log: LogId,
    scheduler: JoinHandle<()>,
    relay: JoinHandle<()>,
    relay_stop: CancellationToken,
    /// Ends what waits for more of this log.
    stop: CancellationToken,
}

impl Served {
    async fn start<A: Aggregate>(
        config: &Config,
        slot: &ServiceSlot<Service<A>>,
        health: &Health,
        stop: &CancellationToken,
    ) -> Result<(MongoDb, Self)> {
        let store = MongoDb::connect(&config.mongodb, &config.namespace).await?;
        let (log_of, stop) = (Arc::new(store.clone()), stop.child_token());
        let (service, scheduler) =
            Service::start(log_of, &config.namespace, health, config.flow_control, stop.clone())
                .await?;
        let log = service.log.clone();
        tell_of(&[&CONNECTIONS, &UNPUBLISHED]);
        let broker = RabbitMq::new(&config.rabbitmq, &config.namespace);
        // What the exchange has confirmed has no holes. (Read before anything runs that would be left
        // running by an error.)
        let confirmed = store.relay_checkpoint(&log).await?;
        let sealer = Sealer::new(Arc::new(store.clone()), confirmed);
        let relay_stop = CancellationToken::new();
        let relay = Relay::new(
            store.clone(),
            broker,
            log.clone(),
            &config.namespace,
            config.events_per_message,
            health.clone(),
        );
        let relay = relay.start(relay_stop.clone());
        sealer.start(health, stop.clone());
        tokio::spawn(clock::watch("mongodb", store.clone(), health.clone(), stop.clone()));
        slot.fill(service);
        Ok((store, Self { log, scheduler, relay, relay_stop, stop }))
    }

    /// Every command that was taken is answered before the relay stops.
    async fn end<A: Aggregate>(self, slot: &ServiceSlot<Service<A>>) {
        slot.clear();
        self.stop.cancel();
        if tokio::time::timeout(END_TIMEOUT, self.scheduler).await.is_err() {
            tracing::warn!("commands of unknown outcome were abandoned at the deadline");
        }
        self.relay_stop.cancel();
        if !end_or_abort(self.relay).await {
            tracing::warn!("the relay was aborted at the deadline");
        }
    }
}

/// Waits for the end of a task. One that has not ended at the deadline is aborted, false then: by its late end
/// it would tell of the next one of its kind that it is over.
async fn end_or_abort(mut task: JoinHandle<()>) -> bool {
    if tokio::time::timeout(END_TIMEOUT, &mut task).await.is_ok() {
        return true;
    }
    task.abort();
    drop(tokio::time::timeout(ABORT_TIMEOUT, task).await);
    false
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_end_in_time_is_there_no_longer() {
        let held = Arc::new(());
        let holds = held.clone();
        let hangs = tokio::spawn(async move {
            let _holds = holds;
            pending::<()>().await;
        });
        assert!(!end_or_abort(hangs).await);
        assert_eq!(Arc::strong_count(&held), 1);
        assert!(end_or_abort(tokio::spawn(async {})).await);
    }
}
