//! The embedded mode in the process of the test.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use command_api::write::FlowControl;
use http::Method;
use kernel::Namespace;
use query_api::dashboard::Links;
use shared::auth;
use shared::http::{Hosts, ListenerOptions, Origins};
use tokio_util::sync::CancellationToken;
use waybill::client::Client;
use waybill::up::{Config, Running};

use crate::stores::TempDir;
use crate::until;

/// For the views to catch up with the log.
const VERIFY_TIMEOUT: Duration = Duration::from_secs(60);

/// An embedded system on free ports.
pub struct Embedded {
    pub commands: Client,
    pub queries: Client,
    pub operations: Client,
    pub running: Running,
    stop: CancellationToken,
    data: PathBuf,
}

impl Embedded {
    pub async fn start(folder: &TempDir) -> Self {
        Self::start_with(folder, auth::Config::default()).await
    }

    /// The same, where clients are asked who they are; the clients that are returned show no token.
    pub async fn start_with(folder: &TempDir, auth: auth::Config) -> Self {
        Self::start_as(folder, |config| config.auth = auth).await
    }

    /// The same, with what the test changes of its configuration.
    pub async fn start_as(folder: &TempDir, change: impl FnOnce(&mut Config)) -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        let mut config = Config {
            data: folder.0.clone(),
            command: any,
            query: any,
            projector: any,
            listener: ListenerOptions::default(),
            address_file: None,
            namespace: Namespace::default(),
            flow_control: FlowControl::off(),
            hosts: Hosts::default(),
            cors_origins: Origins::default(),
            cors_write_origins: Origins::default(),
            links: Links::default(),
            auth: auth::Config::default(),
        };
        change(&mut config);
        let data = config.data.clone();
        let stop = CancellationToken::new();
        let running = Running::start(config, &stop).await.unwrap();
        let client = |address| Client::new(&format!("http://{address}"));
        let (commands, queries) =
            (client(running.addresses.command), client(running.addresses.query));
        let operations = client(running.addresses.projector);
        let ready = || async {
            let ready = queries.send(Method::GET, "/readyz", &[], "").await.ok()?;
            ready.status.is_success().then_some(())
        };
        until("it is ready", ready).await;
        Self { commands, queries, operations, running, stop, data }
    }

    /// Compares every view with a fold of the log, and returns how many orders there are.
    pub async fn verify(&self) -> usize {
        let report = waybill::verify::check(&self.commands, &self.queries, VERIFY_TIMEOUT);
        let report = report.await.unwrap();
        assert!(report.quiet && report.differences.is_empty(), "{report:#?}");
        report.orders
    }

    pub async fn stop(self) {
        self.stop.cancel();
        drop((self.commands, self.queries, self.operations));
        self.running.wait().await.unwrap();
        // A task that had begun before may have the log for a moment longer; a process would be gone.
        let lock = File::open(self.data.join("lock")).unwrap();
        until("the log is let go", || async { lock.try_lock().ok() }).await;
    }
}
