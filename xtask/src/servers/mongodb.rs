//! mongod as a replica set of one. Initiated over its wire protocol, to need no shell:
//! <https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/>.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bson::{Document, doc};

use super::process::accepts;
use super::{Certificates, Port, Process, wire};
use crate::Result;
use crate::programs::mongod;

#[derive(Debug)]
pub struct MongoDb {
    pub process: Process,
    folder: PathBuf,
    port: Port,
    replica_set: bool,
    tls: Option<Certificates>,
}

impl MongoDb {
    pub fn start(folder: &Path) -> Result<Self> {
        Self::start_as(folder, true, None)
    }

    /// Without a replica set it can't confirm what a majority holds: for the test that says so.
    pub fn start_standalone(folder: &Path) -> Result<Self> {
        Self::start_as(folder, false, None)
    }

    pub(super) fn start_with(folder: &Path, tls: Option<&Certificates>) -> Result<Self> {
        Self::start_as(folder, true, tls)
    }

    fn start_as(folder: &Path, replica_set: bool, tls: Option<&Certificates>) -> Result<Self> {
        let reserved = Port::reserve()?;
        let port = reserved.number();
        let process = start(folder, port, replica_set, tls)?;
        let (folder, tls) = (folder.to_owned(), tls.cloned());
        let this = Self { process, folder, port: reserved, replica_set, tls };
        if replica_set {
            let member = doc! { "_id": 0, "host": format!("127.0.0.1:{port}") };
            let config = doc! { "_id": "rs0", "members": [member] };
            this.ask(doc! { "replSetInitiate": config, "$db": "admin" })
                .map_err(|e| format!("initiating the replica set: {e}"))?;
            this.process.wait(|| this.is_writable())?;
        }
        Ok(this)
    }

    /// Starts it again after it was stopped or killed, on the same data and port.
    pub fn restart(&mut self) -> Result<()> {
        let (port, replica_set) = (self.port(), self.replica_set);
        self.process = start(&self.folder, port, replica_set, self.tls.as_ref())?;
        self.process.wait(|| !replica_set || self.is_writable())
    }

    pub fn url(&self) -> String {
        match self.replica_set {
            true if self.tls.is_some() => {
                format!("mongodb://127.0.0.1:{}/?replicaSet=rs0&tls=true", self.port())
            }
            true => format!("mongodb://127.0.0.1:{}/?replicaSet=rs0", self.port()),
            false => format!("mongodb://127.0.0.1:{}/", self.port()),
        }
    }

    pub fn port(&self) -> u16 {
        self.port.number()
    }
}

fn start(
    folder: &Path,
    port: u16,
    replica_set: bool,
    tls: Option<&Certificates>,
) -> Result<Process> {
    let program = mongod().ok_or("there is no mongod: `cargo xtask test` installs one")?;
    let mut command = Command::new(program);
    command.args(["--bind_ip", "127.0.0.1", "--port", &port.to_string(), "--dbpath"]).arg(folder);
    command.args(["--wiredTigerCacheSizeGB", "0.5", "--nounixsocket", "--quiet"]);
    if replica_set {
        command.args(["--replSet", "rs0"]);
    }
    if let Some(certificates) = tls {
        command.args(["--tlsMode", "requireTLS", "--tlsCertificateKeyFile"]);
        command.arg(&certificates.server.both).arg("--tlsCAFile").arg(&certificates.ca);
    }
    let process = Process::start("MongoDB", folder, &mut command)?;
    process.wait(|| accepts(port))?;
    Ok(process)
}

const OP_MSG: i32 = 2013;
/// Longest answer of a server that lives.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

impl MongoDb {
    fn is_writable(&self) -> bool {
        let hello = self.ask(doc! { "hello": 1, "$db": "admin" });
        hello.is_ok_and(|hello| hello.get_bool("isWritablePrimary").unwrap_or(false))
    }

    /// Sends one command and reads its answer.
    fn ask(&self, command: Document) -> Result<Document> {
        let broken = |error: std::io::Error| error.to_string();
        let body = command.to_vec().map_err(|error| error.to_string())?;
        let length = i32::try_from(16 + 4 + 1 + body.len()).map_err(|error| error.to_string())?;
        let mut message = vec![];
        for number in [length, 1, 0, OP_MSG, 0] {
            message.extend(number.to_le_bytes());
        }
        message.push(0); // A section with one document.
        message.extend(body);
        let connected = wire::connect(self.port(), ANSWER_TIMEOUT, self.tls.as_ref());
        let mut stream = connected.map_err(broken)?;
        stream.write_all(&message).map_err(broken)?;
        let mut head = [0; 21];
        stream.read_exact(&mut head).map_err(broken)?;
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let mut body = vec![0; length.saturating_sub(head.len())];
        stream.read_exact(&mut body).map_err(broken)?;
        Document::from_reader(&body[..]).map_err(|error| error.to_string())
    }
}
