//! The embedded mode: the same services in one process, over SQLite and memory.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use command_api::Service as Commands;
use command_api::write::FlowControl;
use kernel::log::LogId;
use kernel::projection::JsonProjection;
use kernel::query::Queries as _;
use kernel::{Failure, Namespace, Result};
use orders::{OrderAggregate, OrderProjection, OrderQueries};
use projector::{Dependencies, Worker, admin};
use query_api::Service as Queries;
use query_api::dashboard::Links;
use query_api::freshness::Freshness;
use shared::auth::{self, Authenticator};
use shared::event_store::sqlite::Sqlite;
use shared::event_store::until_replaced;
use shared::feed::cursor::Cursors;
use shared::http::serve::Routes;
use shared::http::{Callers, Cors, Guard, Hosts, Limits, Listener, ListenerOptions, Origins};
use shared::service::config::{Invalid, Settings};
use shared::service::health::Health;
use shared::service::process::{listen, tell};
use shared::service::retry::until_connected;
use shared::service::shell::serve_http;
use shared::service::slot::ServiceSlot;
use shared::service::vital::vital;
use shared::view_store::memory::Memory;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// What the embedded mode is told by its environment: see `docs/reference/configuration.md`.
#[derive(Debug, Clone)]
pub struct Config {
    /// `WAYBILL_DATA_DIR`: where the log is kept.
    pub data: PathBuf,
    /// `WAYBILL_COMMAND_LISTEN`.
    pub command: SocketAddr,
    /// `WAYBILL_QUERY_LISTEN`.
    pub query: SocketAddr,
    /// `WAYBILL_PROJECTOR_LISTEN`.
    pub projector: SocketAddr,
    /// `WAYBILL_TLS_CERT_FILE` and the like: who gets in.
    pub listener: ListenerOptions,
    /// `WAYBILL_ADDRESS_FILE`.
    pub address_file: Option<PathBuf>,
    /// `WAYBILL_NAMESPACE`.
    pub namespace: Namespace,
    /// `WAYBILL_HOSTS`.
    pub hosts: Hosts,
    /// `WAYBILL_CORS_ORIGINS`, besides the dashboard's own.
    pub cors_origins: Origins,
    /// `WAYBILL_CORS_WRITE_ORIGINS`: whose pages may send commands.
    pub cors_write_origins: Origins,
    /// `WAYBILL_COMMAND_URL` and `WAYBILL_PROJECTOR_URL`, where they are not the listeners' addresses.
    pub links: Links,
    /// `WAYBILL_TOKENS_FILE`: whose tokens are taken.
    pub auth: auth::Config,
    /// `WAYBILL_MAX_LAG` and `WAYBILL_MAX_HOLD`.
    pub flow_control: FlowControl,
}

impl Config {
    /// The configuration, and the filter of `WAYBILL_LOG`.
    pub fn read(mut settings: Settings) -> std::result::Result<(Self, String), Invalid> {
        let local = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let config = Self {
            data: settings.or("WAYBILL_DATA_DIR", PathBuf::from("data"), |value| match value {
                "" => Err("expected a directory".to_owned()),
                _ => Ok(PathBuf::from(value)),
            }),
            command: settings.listen("WAYBILL_COMMAND_LISTEN", local(8080)),
            query: settings.listen("WAYBILL_QUERY_LISTEN", local(8081)),
            projector: settings.listen("WAYBILL_PROJECTOR_LISTEN", local(8082)),
            listener: settings.listener_options(),
            address_file: settings.address_file(),
            namespace: settings.namespace(),
            hosts: settings.hosts(),
            cors_origins: settings.cors_origins(),
            cors_write_origins: settings.cors_write_origins(),
            links: Links::read(&mut settings),
            auth: settings.auth(),
            flow_control: FlowControl::read(&mut settings),
        };
        let filter = settings.log_filter("warn");
        settings.finish((config, filter))
    }
}

/// The addresses of a running system.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Of command-api.
    pub command: SocketAddr,
    /// Of query-api.
    pub query: SocketAddr,
    /// Of the projector, for operators.
    pub projector: SocketAddr,
}

/// Runs until `stop`. Requests under way end first, and what was taken is answered. `tell` gets the
/// folder of the log, and the addresses once they are served.
pub async fn up(
    config: Config,
    stop: CancellationToken,
    tell: impl FnOnce(&Path, Addresses) -> std::io::Result<()>,
) -> Result<()> {
    let data = config.data.clone();
    let running = Running::start(config, &stop).await?;
    if let Err(error) = tell(&data, running.addresses) {
        tracing::warn!(%error, "the addresses can't be printed");
    }
    running.wait().await
}

/// The services, running.
pub struct Running {
    /// Where the services listen.
    pub addresses: Addresses,
    tasks: JoinSet<()>,
    /// No request is under way any more.
    ended: CancellationToken,
    commands: JoinHandle<()>,
}

impl Running {
    /// Opens the log and serves; errors are addresses in use, and a log that can't be opened.
    pub async fn start(config: Config, stop: &CancellationToken) -> Result<Self> {
        let health = Health::of(&["commands", "views"]);
        let authenticator = Authenticator::start(&config.auth, &health, stop)?;
        let command = listen("WAYBILL_COMMAND_LISTEN", config.command, &config.listener)?;
        let query = listen("WAYBILL_QUERY_LISTEN", config.query, &config.listener)?;
        let operations = listen("WAYBILL_PROJECTOR_LISTEN", config.projector, &config.listener)?;
        let all = [("commands", &command), ("queries", &query), ("operations", &operations)];
        tell(config.address_file.as_deref(), &all)?;
        let store = Arc::new(Sqlite::open(&config.data)?);
        let views = Arc::new(Memory::default());
        let commands = Writing {
            store: store.clone(),
            namespace: config.namespace.clone(),
            flow_control: config.flow_control,
            stop: stop.clone(),
            slot: ServiceSlot::default(),
            health: health.clone(),
        };
        let started = commands.start().await?;
        let worker = Worker::new(Dependencies {
            feeds: Arc::new(Cursors(store.clone())),
            store: store.clone(),
            operation_log: store,
            views: views.clone(),
            projection: Arc::new(JsonProjection(OrderProjection)),
            health: health.clone(),
            holder: "embedded".to_owned(),
        });
        let (scheme, contract) = (config.listener.scheme(), OrderQueries.contract());
        let addresses = Addresses {
            scheme,
            command: address(&command)?,
            query: address(&query)?,
            projector: address(&operations)?,
        };
        let (query_slot, admin_slot) = (ServiceSlot::default(), ServiceSlot::default());
        query_slot.fill(reading(views, &health, stop));
        admin_slot.fill(worker.operations());
        let (mut tasks, over) = (JoinSet::new(), CancellationToken::new());
        let ended = over.clone();
        tasks.spawn(work(worker, health.clone(), stop.clone()));
        tasks.spawn(watch(query_slot.clone(), health.clone(), stop.clone()));
        let (commands_slot, auth) = (commands.slot.clone(), authenticator.as_ref());
        let of_commands = command_api::routes::routes(commands_slot, health.clone(), auth);
        let links = config.links.clone().or(scheme, addresses.command, addresses.projector);
        let of_queries =
            query_api::routes::routes(query_slot, health.clone(), links, contract, auth);
        let of_operations = admin::routes(admin_slot, health, auth);
        let (none, named) = (Origins::default, config.cors_origins.clone());
        let page = Origins::of_loopback(scheme, addresses.query.port()).and(named.clone());
        for (listener, routes, pages) in [
            (command, of_commands, (page.clone(), config.cors_write_origins.clone())),
            (query, of_queries, (named, none())),
            (operations, of_operations, (none(), page)),
        ] {
            tasks.spawn(serve(&config, listener, routes, pages, stop));
        }
        Ok(Self { addresses, tasks, ended, commands: tokio::spawn(commands.run(started, over)) })
    }

    /// Waits for the end of everything, which comes after the stop that it was started with.
    pub async fn wait(mut self) -> Result<()> {
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a task ended by a fault");
            }
        }
        self.ended.cancel();
        let answered = tokio::time::timeout(Duration::from_secs(10), self.commands).await;
        let late = |_| Failure::transient("stopping", "commands under way did not end in time");
        answered.map_err(late)?.map_err(|error| Failure::transient("stopping", error))
    }
}

/// Keeps the views in step with the log until `stop`. After an end by a fault the part `views` of the
/// health is not ready.
pub async fn work(worker: Worker, health: Health, stop: CancellationToken) {
    vital(health, "views", worker.run(stop)).await;
}

fn reading(views: Arc<Memory>, health: &Health, stop: &CancellationToken) -> Queries {
    Queries::watched(views, Arc::new(OrderQueries), stop.clone(), health.liveness())
}

fn serve(
    config: &Config,
    listener: Listener,
    (routes, guard): (Routes, Option<Guard>),
    (readers, writers): (Origins, Origins),
    stop: &CancellationToken,
) -> impl Future<Output = ()> + Send + use<> {
    let cors = Cors::new(readers, writers, guard.is_some());
    let callers = Callers { hosts: config.hosts.clone(), cors, guard };
    let limits = Limits::of_process(3); // Three listeners.
    serve_http(listener, routes, callers, limits, stop.clone())
}

/// The write side of one log.
struct Written {
    log: LogId,
    scheduler: JoinHandle<()>,
    /// Ends what waits for more of this log.
    stop: CancellationToken,
}

/// The write side, on whatever log the file holds.
struct Writing {
    store: Arc<Sqlite>,
    namespace: Namespace,
    flow_control: FlowControl,
    stop: CancellationToken,
    slot: ServiceSlot<Commands<OrderAggregate>>,
    health: Health,
}

impl Writing {
    async fn start(&self) -> Result<Written> {
        let (store, stop) = (self.store.clone(), self.stop.child_token());
        let started =
            Commands::start(store, &self.namespace, &self.health, self.flow_control, stop.clone());
        let (service, scheduler) = started.await?;
        let log = service.log.clone();
        self.slot.fill(service);
        Ok(Written { log, scheduler, stop })
    }

    /// Starts afresh whenever the log gets a new identity; ends after the last request.
    async fn run(self, started: Written, ended: CancellationToken) {
        let mut written = started;
        loop {
            let replaced = until_replaced(self.store.as_ref(), &written.log, &self.health);
            let renewed = ended.run_until_cancelled(replaced).await.is_some();
            self.slot.clear();
            written.stop.cancel();
            self.health.waits("log", "it is being closed");
            if let Err(error) = written.scheduler.await {
                tracing::error!(%error, "the write side ended early");
            }
            if !renewed {
                return;
            }
            let start = || self.start();
            match until_connected("log", &self.health, &self.stop, start).await {
                Ok(Some(started)) => written = started,
                Ok(None) => return,
                Err(failure) => return tracing::error!(%failure, "the log can't be written"),
            }
        }
    }
}

/// The beat of the runtime, and how far the views are.
async fn watch(queries: ServiceSlot<Queries>, health: Health, stop: CancellationToken) {
    let beat = health.liveness().clone().beat();
    if let Ok(queries) = queries.service() {
        let freshness = Freshness::new(None).measure(&queries, &health, &stop);
        tokio::select! { () = beat => {}, () = freshness => {} }
    }
}

fn address(listener: &Listener) -> Result<SocketAddr> {
    listener.address().map_err(|error| Failure::permanent("listening", error))
}
