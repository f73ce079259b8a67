//! What measurements run on: private servers, the programs, and a place of its own for each.

use std::cell::Cell;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::de::DeserializeOwned;
use waybill::client::Client;
use xtask::servers::{Folder, Process, Servers};

use crate::Result;
use crate::load::{Plan, Report, unix_seconds};
use crate::proc::Cpu;
use crate::raw::{self, Stores};

/// The machine is quiet when the servers use less than this share of a core.
const QUIET: f64 = 0.05;
/// Over which time that is looked at, and how often at most.
const CPU_SAMPLE_INTERVAL: Duration = Duration::from_millis(300);
const MAX_CPU_SAMPLES: usize = 40;

pub struct Context {
    /// How long a load lasts.
    pub seconds: f64,
    /// Events that wait where a backlog is measured.
    pub backlog: u64,
    /// Orders per second that Waybill took from 256 clients, once that was measured.
    pub maximum: Cell<Option<f64>>,
    programs: PathBuf,
    servers: Servers,
    stores: Stores,
    folder: Folder,
    places: Cell<u32>,
}

/// A process that serves HTTP.
pub struct Running {
    pub name: &'static str,
    pub process: Process,
    pub url: String,
    pub client: Client,
}

impl Context {
    /// Starts the servers. The programs lie where this one does.
    pub async fn start(seconds: f64, backlog: u64) -> Result<Self> {
        let this = std::env::current_exe()?;
        let programs = this.parent().ok_or("this program has no folder")?.to_owned();
        let servers = Servers::start()?;
        let urls = raw::Servers {
            mongodb: servers.mongodb.url(),
            rabbitmq: servers.rabbitmq.url(),
            redis: servers.redis.url(),
            namespace: "raw".to_owned(),
            address_file: None,
        };
        let stores = Stores::connect(&urls).await?;
        let (folder, places) = (Folder::new()?, Cell::default());
        let maximum = Cell::default();
        Ok(Self { seconds, backlog, maximum, programs, servers, stores, folder, places })
    }

    /// A name that nothing used so far, and the stores under it.
    pub fn place(&self, what: &str) -> Stores {
        self.places.set(self.places.get() + 1);
        self.stores.named(&format!("{what}-{}", self.places.get()))
    }

    /// The servers' process groups.
    pub fn groups(&self) -> Vec<(&'static str, u32)> {
        vec![
            self.mongod(),
            ("RabbitMQ", self.servers.rabbitmq.process.id()),
            ("Redis", self.servers.redis.process.id()),
        ]
    }

    pub fn mongod(&self) -> (&'static str, u32) {
        ("mongod", self.servers.mongodb.process.id())
    }

    /// Stops mongod where it is for so many seconds; returns when it began and ended, as `unix_seconds`.
    pub async fn freeze_mongod(&self, seconds: f64) -> (f64, f64) {
        let mongod = &self.servers.mongodb.process;
        mongod.signal("STOP");
        let stopped = unix_seconds();
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        mongod.signal("CONT");
        (stopped, unix_seconds())
    }

    /// Waits until the servers have done what was left over; for 12 s at most.
    pub async fn quiet(&self) -> Result<()> {
        self.quiet_with(&[]).await
    }

    /// The same, of the servers and of `more` process groups.
    pub async fn quiet_with(&self, more: &[(&'static str, u32)]) -> Result<()> {
        let groups = [&self.groups(), more].concat();
        for _ in 0..MAX_CPU_SAMPLES {
            let before = Cpu::of(&groups)?.total();
            tokio::time::sleep(CPU_SAMPLE_INTERVAL).await;
            let used = Cpu::of(&groups)?.total().saturating_sub(before);
            if used.as_secs_f64() < QUIET * CPU_SAMPLE_INTERVAL.as_secs_f64() {
                break;
            }
        }
        Ok(())
    }

    /// Starts a program that listens, and waits until it tells where.
    pub fn serve(
        &self,
        name: &'static str,
        program: &str,
        with: impl FnOnce(&mut Command, PathBuf),
    ) -> Result<Running> {
        self.places.set(self.places.get() + 1);
        let folder = self.folder.path(&format!("{name}-{}", self.places.get()))?;
        let addresses = folder.join("addresses");
        let mut command = Command::new(self.programs.join(program));
        with(&mut command, addresses.clone());
        let process = Process::start(name, &folder, &mut command)?;
        process.wait(|| addresses.exists())?;
        let told = std::fs::read_to_string(&addresses)?;
        let url = told.trim().split_once(' ').ok_or("no address was told")?.1.to_owned();
        Ok(Running { name, process, client: Client::new(&url), url })
    }

    /// Starts one of the raw loops that serve nothing.
    pub fn work(&self, name: &'static str, arguments: &[String]) -> Result<Process> {
        self.places.set(self.places.get() + 1);
        let folder = self.folder.path(&format!("{name}-{}", self.places.get()))?;
        let mut command = Command::new(self.programs.join("bench"));
        command.args(arguments);
        Ok(Process::start(name, &folder, &mut command)?)
    }

    /// Runs a part of this program as a process of its own, and reads the JSON that it prints.
    pub async fn ask<T: DeserializeOwned>(&self, arguments: &[String]) -> Result<T> {
        let mut command = tokio::process::Command::new(self.programs.join("bench"));
        command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await?;
        if !output.status.success() {
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!("{}: {told}", arguments.join(" ")).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    pub async fn load(&self, plan: &Plan) -> Result<Report> {
        self.ask(&plan.arguments()).await
    }
}

impl Running {
    /// Waits until it says that it is ready.
    pub async fn until_ready(&self) -> Result<()> {
        for _ in 0..600 {
            if let Some(ended) = self.process.ended() {
                return Err(ended.into());
            }
            let answer = self.client.send(http::Method::GET, "/readyz", &[], "").await;
            if answer.is_ok_and(|answer| answer.status.is_success()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(format!("{} does not get ready:\n{}", self.name, self.process.told()).into())
    }
}
