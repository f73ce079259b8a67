//! A RabbitMQ node with an epmd of its own; nothing of it listens elsewhere than on loopback.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::process::accepts;
use super::{Certificates, Port, Process, wire};
use crate::Result;
use crate::programs::{RABBITMQ, RABBITMQCTL};

#[derive(Debug)]
pub struct RabbitMq {
    pub process: Process,
    folder: PathBuf,
    ports: Ports,
    tls: Option<Certificates>,
    _epmd: Process,
}

#[derive(Debug)]
struct Ports {
    amqp: Port,
    /// Where nodes and tools ask for each other.
    epmd: Port,
    /// Where tools reach the node. It listens on loopback, and looks whether any address has the port in use
    /// before (`dist_port_use_check` of its `rabbit_prelaunch_dist`).
    distribution: Port,
}

impl RabbitMq {
    pub fn start(folder: &Path) -> Result<Self> {
        Self::start_with(folder, None)
    }

    pub(super) fn start_with(folder: &Path, tls: Option<&Certificates>) -> Result<Self> {
        let ports = Ports {
            amqp: Port::reserve()?,
            epmd: Port::reserve()?,
            distribution: Port::reserve_everywhere()?,
        };
        let mut command = Command::new("epmd");
        command.args(["-address", "127.0.0.1", "-port", &ports.epmd.number().to_string()]);
        let epmd = Process::start("epmd", folder, &mut command)?;
        epmd.wait(|| accepts(ports.epmd.number()))?;
        let write = |name: &str, text: &str| {
            let file = folder.join(name);
            std::fs::write(&file, text).map_err(|e| format!("{}: {e}", file.display()))
        };
        write("plugins", "[].\n")?;
        if let Some(certificates) = tls {
            write("rabbitmq.conf", &settings(certificates, ports.amqp.number()))?;
        }
        let process = start(folder, &ports, tls)?;
        let (folder, tls) = (folder.to_owned(), tls.cloned());
        Ok(Self { process, folder, ports, tls, _epmd: epmd })
    }

    /// Starts it again after it was stopped or killed, on the same data and port.
    pub fn restart(&mut self) -> Result<()> {
        self.process = start(&self.folder, &self.ports, self.tls.as_ref())?;
        Ok(())
    }

    /// Raises or clears the memory alarm, which blocks every connection that publishes
    /// (<https://www.rabbitmq.com/docs/memory>).
    pub fn alarm(&self, on: bool) -> Result<()> {
        let alarm = "{resource_limit, memory, node()}";
        let call = match on {
            true => format!("rabbit_alarm:set_alarm({{{alarm}, []}})."),
            false => format!("rabbit_alarm:clear_alarm({alarm})."),
        };
        self.evaluate(&call)
    }

    /// Removes what serves a quorum queue, and leaves its description and bindings: what a broker may
    /// be left with when it is killed while the queue is declared. Such a queue confirms nothing.
    pub fn break_queue(&self, queue: &str) -> Result<()> {
        self.evaluate(&format!(
            "Name = rabbit_misc:r(<<\"/\">>, queue, <<\"{queue}\">>), \
             {{ok, Queue}} = rabbit_amqqueue:lookup(Name), \
             ok = ra:force_delete_server(quorum_queues, amqqueue:get_pid(Queue))."
        ))
    }

    /// Adds a user whose password is its name, and who may configure, write to and read what these regular
    /// expressions match (<https://www.rabbitmq.com/docs/access-control>).
    pub fn add_user(&self, name: &str, permissions: [&str; 3]) -> Result<()> {
        let [configure, write, read] = permissions;
        self.evaluate(&format!(
            "rabbit_auth_backend_internal:add_user(<<\"{name}\">>, <<\"{name}\">>, <<\"tests\">>), \
             rabbit_auth_backend_internal:set_permissions(<<\"{name}\">>, <<\"/\">>, \
             <<\"{configure}\">>, <<\"{write}\">>, <<\"{read}\">>, <<\"tests\">>)."
        ))
    }

    /// Runs an Erlang expression in the node.
    fn evaluate(&self, expression: &str) -> Result<()> {
        let mut command = Command::new(RABBITMQCTL);
        command.args(["eval", expression]);
        surroundings(&mut command, &self.folder, &self.ports);
        let told = command.output().map_err(|error| format!("rabbitmqctl: {error}"))?;
        match told.status.success() {
            true => Ok(()),
            false => Err(format!("rabbitmqctl: {}", String::from_utf8_lossy(&told.stderr))),
        }
    }

    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "amqps" } else { "amqp" };
        format!("{scheme}://guest:guest@127.0.0.1:{}/%2f", self.port())
    }

    pub fn port(&self) -> u16 {
        self.ports.amqp.number()
    }
}

fn start(folder: &Path, ports: &Ports, tls: Option<&Certificates>) -> Result<Process> {
    let port = ports.amqp.number();
    let mut command = Command::new(RABBITMQ);
    surroundings(&mut command, folder, ports);
    if tls.is_none() {
        command.env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1");
        command.env("RABBITMQ_NODE_PORT", port.to_string());
    }
    command
        .env("RABBITMQ_DIST_PORT", ports.distribution.number().to_string())
        .env("RABBITMQ_MNESIA_BASE", folder.join("data"))
        .env("RABBITMQ_LOG_BASE", folder.join("log"))
        .env("RABBITMQ_PID_FILE", folder.join("pid"))
        .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("plugins"))
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}")
        .env("ERL_EPMD_ADDRESS", "127.0.0.1");
    let process = Process::start("RabbitMQ", folder, &mut command)?;
    process.wait(|| answers(port, tls).is_some())?;
    Ok(process)
}

/// TLS alone (<https://www.rabbitmq.com/docs/ssl>).
fn settings(certificates: &Certificates, port: u16) -> String {
    let Certificates { ca, server, .. } = certificates;
    let (ca, certificate, key) = (ca.display(), server.certificate.display(), server.key.display());
    format!(
        "listeners.tcp = none\n\
         listeners.ssl.1 = 127.0.0.1:{port}\n\
         ssl_options.cacertfile = {ca}\n\
         ssl_options.certfile = {certificate}\n\
         ssl_options.keyfile = {key}\n\
         ssl_options.verify = verify_peer\n\
         ssl_options.fail_if_no_peer_cert = true\n"
    )
}

/// What the node and its tools need to find each other; the cookie is in HOME.
fn surroundings(command: &mut Command, folder: &Path, ports: &Ports) {
    command
        .env("HOME", folder)
        .env("RABBITMQ_NODENAME", format!("waybill{}@localhost", ports.amqp.number()))
        .env("ERL_EPMD_PORT", ports.epmd.number().to_string());
}

/// The broker greets a client that speaks AMQP 0-9-1.
fn answers(port: u16, tls: Option<&Certificates>) -> Option<()> {
    let mut stream = wire::connect(port, Duration::from_secs(2), tls).ok()?;
    stream.write_all(b"AMQP\x00\x00\x09\x01").ok()?;
    let mut answer = [0; 1];
    stream.read_exact(&mut answer).ok()?;
    (answer[0] == 1).then_some(())
}
