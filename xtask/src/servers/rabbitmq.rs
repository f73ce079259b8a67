//! A RabbitMQ node with an epmd of its own; nothing of it listens elsewhere than on loopback.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::process::accepts;
use super::{Port, Process};
use crate::Result;
use crate::programs::{RABBITMQ, RABBITMQCTL};

#[derive(Debug)]
pub struct RabbitMq {
    pub process: Process,
    folder: PathBuf,
    ports: Ports,
    _epmd: Process,
}

#[derive(Debug)]
struct Ports {
    amqp: Port,
    /// Where nodes and tools ask for each other.
    epmd: Port,
    /// Where tools reach the node.
    distribution: Port,
}

impl RabbitMq {
    pub fn start(folder: &Path) -> Result<Self> {
        let ports = Ports {
            amqp: Port::reserve()?,
            epmd: Port::reserve()?,
            distribution: Port::reserve()?,
        };
        let mut command = Command::new("epmd");
        command.args(["-address", "127.0.0.1", "-port", &ports.epmd.number().to_string()]);
        let epmd = Process::start("epmd", folder, &mut command)?;
        epmd.wait(|| accepts(ports.epmd.number()))?;
        std::fs::write(folder.join("plugins"), "[].\n")
            .map_err(|e| format!("{}: {e}", folder.display()))?;
        let process = start(folder, &ports)?;
        Ok(Self { process, folder: folder.to_owned(), ports, _epmd: epmd })
    }

    /// Starts it again after it was stopped or killed, on the same data and port.
    pub fn restart(&mut self) -> Result<()> {
        self.process = start(&self.folder, &self.ports)?;
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
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port())
    }

    pub fn port(&self) -> u16 {
        self.ports.amqp.number()
    }
}

fn start(folder: &Path, ports: &Ports) -> Result<Process> {
    let port = ports.amqp.number();
    let mut command = Command::new(RABBITMQ);
    surroundings(&mut command, folder, ports);
    command
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODE_PORT", port.to_string())
        .env("RABBITMQ_DIST_PORT", ports.distribution.number().to_string())
        .env("RABBITMQ_MNESIA_BASE", folder.join("data"))
        .env("RABBITMQ_LOG_BASE", folder.join("log"))
        .env("RABBITMQ_PID_FILE", folder.join("pid"))
        .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("plugins"))
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}")
        .env("ERL_EPMD_ADDRESS", "127.0.0.1");
    let process = Process::start("RabbitMQ", folder, &mut command)?;
    process.wait(|| answers(port).is_some())?;
    Ok(process)
}

/// What the node and its tools need to find each other; the cookie is in HOME.
fn surroundings(command: &mut Command, folder: &Path, ports: &Ports) {
    command
        .env("HOME", folder)
        .env("RABBITMQ_NODENAME", format!("waybill{}@localhost", ports.amqp.number()))
        .env("ERL_EPMD_PORT", ports.epmd.number().to_string());
}

/// The broker greets a client that speaks AMQP 0-9-1.
fn answers(port: u16) -> Option<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    stream.write_all(b"AMQP\x00\x00\x09\x01").ok()?;
    let mut answer = [0; 1];
    stream.read_exact(&mut answer).ok()?;
    (answer[0] == 1).then_some(())
}
