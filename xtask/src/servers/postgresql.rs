//! PostgreSQL, for a peer that the benchmark measures beside Waybill. Its own programs are used, which
//! refuse to run as root: then they run as the user `postgres`, whom the Debian package creates.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Port, Process};
use crate::Result;
use crate::install::{is_root, run};
use crate::programs::postgresql;

/// The superuser of the server, and the user of the system that runs it where root may not.
const USER: &str = "postgres";
/// All data of a measurement fits in; mongod has as much for its cache.
const SHARED_BUFFERS: &str = "512MB";
const MAX_CONNECTIONS: &str = "200";
/// For one statement of `ask`.
const STATEMENT_TIMEOUT: &str = "-c statement_timeout=60s";
const CONNECT_TIMEOUT_S: &str = "10";

#[derive(Debug)]
pub struct PostgreSql {
    pub process: Process,
    programs: PathBuf,
    port: Port,
}

impl PostgreSql {
    pub fn start(folder: &Path) -> Result<Self> {
        let programs = postgresql().ok_or("there is no PostgreSQL: install `postgresql`")?;
        if is_root() {
            run(Command::new("chown").arg(USER).arg(folder))?;
        }
        let data = folder.join("data");
        let mut initdb = own(&programs.join("initdb"), folder);
        initdb.args(["--username", USER, "--auth", "trust", "--encoding", "UTF8"]);
        run(initdb.args(["--locale", "C", "--pgdata"]).arg(&data))?;
        let port = Port::reserve()?;
        let mut command = own(&programs.join("postgres"), folder);
        command.arg("-D").arg(&data).args(["-p", &port.number().to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=on",
            "synchronous_commit=on",
            &format!("shared_buffers={SHARED_BUFFERS}"),
            &format!("max_connections={MAX_CONNECTIONS}"),
        ] {
            command.args(["-c", setting]);
        }
        let process = Process::start("PostgreSQL", folder, &mut command)?;
        let this = Self { process, programs, port };
        this.process.wait(|| this.ask("postgres", "SELECT 1").is_ok())?;
        Ok(this)
    }

    /// The address of a database, for clients.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port.number())
    }

    /// Carries out one statement with `psql`; returns what it prints: a line for each row, `|` between
    /// columns.
    pub fn ask(&self, database: &str, statement: &str) -> Result<String> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.env("PGOPTIONS", STATEMENT_TIMEOUT).env("PGCONNECT_TIMEOUT", CONNECT_TIMEOUT_S);
        psql.args(["--no-psqlrc", "--no-align", "--tuples-only", "--quiet", "--command"]);
        psql.args([statement, &self.url(database)]);
        let output = psql.output().map_err(|error| format!("psql: {error}"))?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
            false => {
                Err(format!("{statement}: {}", String::from_utf8_lossy(&output.stderr).trim()))
            }
        }
    }

    pub fn create(&self, database: &str) -> Result<()> {
        self.ask("postgres", &format!("CREATE DATABASE \"{database}\"")).map(drop)
    }

    /// Removes a database, and writes to disk what the next measurement would else have to write.
    pub fn remove(&self, database: &str) -> Result<()> {
        self.ask("postgres", &format!("DROP DATABASE \"{database}\" WITH (FORCE)"))?;
        self.ask("postgres", "CHECKPOINT").map(drop)
    }
}

/// Each connection has a process of the server in a group of its own, which ends with the first one.
impl Drop for PostgreSql {
    fn drop(&mut self) {
        self.process.signal("INT"); // It does not wait for its clients then.
        self.process.stop();
    }
}

/// A program of PostgreSQL, as a user who may run it.
fn own(program: &Path, folder: &Path) -> Command {
    let mut command = match is_root() {
        true => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", USER, "--regid", USER, "--init-groups"]).arg(program);
            command
        }
        false => Command::new(program),
    };
    command.current_dir(folder);
    command
}
