//! The services as processes of their own, on the servers of the run or on private ones.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use http::Method;
use kernel::log::Position;
use serde_json::Value;
use shared::event_store::EventStore as _;
use shared::view_store::ViewStore as _;
use waybill::client::Client;
use xtask::servers::{Port, Process, Servers};

use crate::Own;
use crate::client::OrderClient;
use crate::servers;
use crate::stores::TempDir;
use crate::until::{WAIT_TIMEOUT, comes, until};
use crate::watched::watch;

/// Where the servers are.
#[derive(Clone)]
pub struct Urls {
    pub mongodb: String,
    pub rabbitmq: String,
    pub redis: String,
}

impl Urls {
    /// Of private servers.
    pub fn of(servers: &Servers) -> Self {
        Self {
            mongodb: servers.mongodb.url(),
            rabbitmq: servers.rabbitmq.url(),
            redis: servers.redis.url(),
        }
    }

    pub fn of_the_run() -> Self {
        Self { mongodb: servers::mongodb(), rabbitmq: servers::rabbitmq(), redis: servers::redis() }
    }
}

/// A program of the workspace: it lies in a folder above the one that runs, or beside that one where a
/// release build is asked for.
pub fn program(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("the test has a path");
    let name = match std::env::var_os("WAYBILL_TEST_RELEASE") {
        Some(_) => Path::new("release").join(name),
        None => PathBuf::from(name),
    };
    let programs = this.ancestors().map(|folder| folder.join(&name));
    programs
        .into_iter()
        .find(|program| program.is_file())
        .expect("`cargo xtask test` builds the programs")
}

/// One running service.
pub struct Service {
    pub process: Arc<Process>,
    pub client: Client,
    variables: Vec<(String, String)>,
    name: &'static str,
    folder: TempDir,
    _port: Port,
}

impl Service {
    /// Starts a service on a port that stays its own, also while it is down.
    pub fn start(name: &'static str, namespace: &str, urls: &Urls) -> Self {
        Self::start_with(name, namespace, urls, &[])
    }

    /// The same, with more variables.
    pub fn start_with(
        name: &'static str,
        namespace: &str,
        urls: &Urls,
        more: &[(String, String)],
    ) -> Self {
        let listen = match name {
            "command-api" => "WAYBILL_COMMAND_LISTEN",
            "projector" => "WAYBILL_PROJECTOR_LISTEN",
            _ => "WAYBILL_QUERY_LISTEN",
        };
        let port = Port::reserve().expect("a port");
        let address = format!("127.0.0.1:{}", port.number());
        let variables = [
            ("WAYBILL_MONGODB_URL", urls.mongodb.as_str()),
            ("WAYBILL_RABBITMQ_URL", &urls.rabbitmq),
            ("WAYBILL_REDIS_URL", &urls.redis),
            ("WAYBILL_NAMESPACE", namespace),
            (listen, &address),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let variables = [variables.as_slice(), more].concat();
        let folder = TempDir::default();
        let client = Client::new(&format!("http://{address}"));
        let process = spawn(name, &folder, &variables, &client);
        Self { process, client, variables, name, folder, _port: port }
    }

    /// Starts it again after it ended, at the same address.
    pub fn restart(&mut self) {
        self.restart_with(&[]);
    }

    /// The same, with more variables this time.
    pub fn restart_with(&mut self, more: &[(&str, &str)]) {
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let variables: Vec<_> = self.variables.iter().cloned().chain(more).collect();
        self.process = spawn(self.name, &self.folder, &variables, &self.client);
    }

    pub async fn until_listening(&self) {
        let what = format!("{} listens", self.name);
        until(&what, || async { self.client.send(Method::GET, "/livez", &[], "").await.ok() })
            .await;
    }

    pub async fn is_ready(&self) -> bool {
        let answer = self.client.send(Method::GET, "/readyz", &[], "").await;
        answer.is_ok_and(|answer| answer.status.is_success())
    }

    pub async fn until_ready(&self) {
        let what = format!("{} is ready", self.name);
        until(&what, || async { self.is_ready().await.then_some(()) }).await;
    }

    /// Waits for it to end by itself, and returns what happened and what it wrote.
    pub async fn until_ended(self) -> String {
        let ended = comes(WAIT_TIMEOUT, || async { self.process.ended() }).await;
        ended.unwrap_or_else(|| panic!("{} does not end\n{}", self.name, self.output()))
    }

    /// A client with typed answers.
    pub fn api(&self) -> OrderClient {
        OrderClient::new(&self.client)
    }

    pub async fn get(&self, path: &str) -> Value {
        self.client.get(path).await.expect("an answer")
    }

    /// What it wrote so far.
    pub fn output(&self) -> String {
        self.process.told()
    }
}

fn spawn(
    name: &'static str,
    folder: &TempDir,
    variables: &[(String, String)],
    client: &Client,
) -> Arc<Process> {
    let mut command = Command::new(program(name));
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    let process = Process::start(name, &folder.0, &mut command);
    let process = Arc::new(process.expect("the service's program is there"));
    watch(&process, client);
    process
}

/// A whole system in a namespace of its own.
pub struct System {
    pub own: Own,
    pub commands: Vec<Service>,
    pub projectors: Vec<Service>,
    pub queries: Service,
}

impl System {
    pub async fn start(urls: &Urls, command_apis: usize, projectors: usize) -> Self {
        Self::start_with(urls, &[], command_apis, projectors).await
    }

    /// The same, each service with more variables.
    pub async fn start_with(
        urls: &Urls,
        more: &[(String, String)],
        command_apis: usize,
        projectors: usize,
    ) -> Self {
        let own = Own::default();
        let start = |name| Service::start_with(name, own.namespace.as_str(), urls, more);
        let commands: Vec<Service> = (0..command_apis).map(|_| start("command-api")).collect();
        let projectors: Vec<Service> = (0..projectors).map(|_| start("projector")).collect();
        let queries = start("query-api");
        let system = Self { commands, projectors, queries, own };
        system.until_ready().await;
        system
    }

    pub fn all(&self) -> impl Iterator<Item = &Service> {
        self.commands.iter().chain(&self.projectors).chain([&self.queries])
    }

    pub fn all_mut(&mut self) -> impl Iterator<Item = &mut Service> {
        self.commands.iter_mut().chain(&mut self.projectors).chain([&mut self.queries])
    }

    pub async fn until_ready(&self) {
        for service in self.all() {
            service.until_ready().await;
        }
    }

    /// Folds the log and compares every view with it, once they caught up.
    pub async fn verify(&self) {
        let (commands, queries) = (&self.commands[0].client, &self.queries.client);
        let wait = std::time::Duration::from_secs(60);
        let report =
            waybill::verify::check(commands, queries, wait).await.expect("the services answer");
        let outputs = || self.all().map(Service::output).collect::<String>();
        assert!(report.quiet, "the views did not catch up: {report:#?}\n{}", outputs());
        assert!(report.differences.is_empty(), "{report:#?}\n{}", outputs());
    }

    /// Waits until the exchange has confirmed the whole log.
    pub async fn until_relayed(&self) -> Position {
        let store = self.own.mongodb().await;
        until("the whole log is relayed", || async {
            let head = store.head().await.ok()?;
            let confirmed = store.relay_checkpoint(&store.log_id().await.ok()?).await.ok()?;
            (confirmed == head).then_some(head)
        })
        .await
    }

    /// Waits until the workers have taken everything from the queues of all generations.
    pub async fn until_queues_are_empty(&self) {
        let (views, broker) = (self.own.redis().await, self.own.rabbitmq());
        until("all queues of views are empty", || async {
            for generation in views.generations().await.ok()? {
                let queue = generation.id.queue(&self.own.namespace);
                if broker.waiting(&queue).await.ok()?.is_some_and(|waiting| waiting > 0) {
                    return None;
                }
            }
            Some(())
        })
        .await;
    }

    /// Stops all services, and removes what they left on the servers.
    pub async fn remove(self) {
        self.all().for_each(|service| service.process.stop());
        self.own.remove().await;
    }
}
