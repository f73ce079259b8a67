//! Checks of the broker, for operators, as far as AMQP tells. The only thing that is written is a
//! queue of its own, which is deleted again.

use std::time::Duration;

use kernel::{Failure, Result};
use lapin::options::QueueDeclareOptions;
use lapin::protocol::{AMQPClass, connection, parse_class};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Connection};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use uuid::Uuid;

use super::publisher::{confirm_select, publish};
use super::{RabbitMq, close, dead_letters, in_time, look, of_views, quorum};
use crate::diagnosis::{Finding, Findings};
use crate::endpoint::RABBITMQ;
use crate::service::liveness::Liveness;

/// For all checks together.
const TIMEOUT: Duration = Duration::from_secs(30);
/// For the broker to confirm one message.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(5);
/// The broker removes the queue of the checks by itself after so many milliseconds without use.
const EXPIRES: i64 = 60_000;
/// The longest greeting that is read, in bytes.
const MAX_GREETING: u32 = 1 << 16;
const WHAT: &str = "checking RabbitMQ";

const REACHABLE: &str = "see that the broker runs, and that WAYBILL_RABBITMQ_URL names its host, port, user, password and vhost";
const PERMISSIONS: &str = "the user needs to configure, write and read (`rabbitmqctl set_permissions`), and the broker a quorum of its nodes";
const ALARM: &str = "free memory or disk on the machine of the broker: `rabbitmq-diagnostics alarms` and `rabbitmqctl status` tell which";

const DECLARED_OTHERWISE: &str = "look at it (`rabbitmqctl list_queues name type arguments`) and delete it (`rabbitmqctl delete_queue`) once nothing in it is wanted: a service declares it again, and views are healed from the log";

/// With or without TLS.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl RabbitMq {
    /// What is well and what is not about the broker, and about the queues that are there: that of dead
    /// letters, and `views`, that of the live views. Takes about 30 s at most.
    pub async fn diagnose(&self, views: Option<&str>) -> Vec<Finding> {
        let mut findings = Findings::about("rabbitmq");
        let late = |_| Failure::transient(WHAT, format!("not done in {} s", TIMEOUT.as_secs()));
        let checks = self.check_all(views, &mut findings);
        let done = tokio::time::timeout(TIMEOUT, checks).await.unwrap_or_else(|e| Err(late(e)));
        if let Err(failure) = done {
            findings.error("reachable", failure, REACHABLE);
        }
        findings.into_all()
    }

    /// The same as far as nothing is written: the version, and the queue of dead letters. That the broker
    /// is away is no finding: the service that needs it tells that. Takes about 30 s at most.
    pub async fn diagnose_quietly(&self) -> Vec<Finding> {
        let mut findings = Findings::about("rabbitmq");
        let checks = async {
            match self.greeting().await {
                Ok(greeting) => version(&greeting, &mut findings),
                Err(failure) => findings.untold("version", failure),
            }
            self.check_dead_letters(&mut findings).await;
        };
        // What was not found out in time is not told.
        drop(tokio::time::timeout(TIMEOUT, checks).await);
        findings.into_all()
    }

    async fn check_dead_letters(&self, findings: &mut Findings) {
        let (queue, arguments) = (self.dead_letter_queue(), dead_letters::arguments());
        self.check_queue("dead-letters", &queue, arguments, findings).await;
    }

    async fn check_all(&self, views: Option<&str>, findings: &mut Findings) -> Result<()> {
        match self.greeting().await {
            Ok(greeting) => version(&greeting, findings),
            Err(failure) => findings.untold("version", failure),
        }
        let (connection, _channel) = self.connect_alone("doctor").await?;
        findings.ok("reachable", "it answers, and knows the user");
        self.check_own_queue(&connection, findings).await;
        close(connection).await;
        self.check_dead_letters(findings).await;
        if let Some(queue) = views {
            self.check_queue("views-queue", queue, of_views(), findings).await;
        }
        Ok(())
    }

    /// What the broker says of itself before anything else
    /// (<https://www.rabbitmq.com/docs/specification>: Connection.Start).
    async fn greeting(&self) -> Result<FieldTable> {
        let broken = |error: std::io::Error| Failure::transient(WHAT, error);
        let read = async {
            let mut stream = self.stream().await?;
            stream.write_all(b"AMQP\x00\x00\x09\x01").await.map_err(broken)?;
            // The type of the frame, its channel, its size.
            let (_, _) =
                (stream.read_u8().await.map_err(broken)?, stream.read_u16().await.map_err(broken)?);
            let size = stream.read_u32().await.map_err(broken)?;
            if size > MAX_GREETING {
                return Err(Failure::permanent(WHAT, "what answers there is no broker"));
            }
            let mut payload = vec![0; size as usize];
            stream.read_exact(&mut payload).await.map_err(broken)?;
            Ok(payload)
        };
        let payload = tokio::time::timeout(CONFIRM_TIMEOUT, read).await;
        let payload = payload.map_err(|late| Failure::transient(WHAT, late))??;
        match parse_class(payload.as_slice()) {
            Ok((_, AMQPClass::Connection(connection::AMQPMethod::Start(start)))) => {
                Ok(start.server_properties)
            }
            _ => Err(Failure::permanent(WHAT, "what answers there is no broker")),
        }
    }

    async fn stream(&self) -> Result<Box<dyn Stream>> {
        let broken = |error: std::io::Error| Failure::transient(WHAT, error);
        let host = self.uri()?.authority;
        let stream = TcpStream::connect((host.host.as_str(), host.port)).await.map_err(broken)?;
        let Some(tls) = self.endpoint.tls(&RABBITMQ) else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from(host.host);
        let name = name.map_err(|error| Failure::permanent(WHAT, error))?;
        let secure = TlsConnector::from(tls.config()).connect(name, stream).await;
        Ok(Box::new(secure.map_err(broken)?))
    }

    /// Declares a queue as the services do, sends a message to it, and deletes it.
    async fn check_own_queue(&self, connection: &Connection, findings: &mut Findings) {
        let queue = format!("{}.doctor-{}", self.namespace, Uuid::new_v4().simple());
        let (declared, confirmed) = self.try_queue(connection, &queue).await;
        match declared {
            Ok(()) => findings.ok("quorum-queues", "one could be declared"),
            Err(failure) => return findings.error("quorum-queues", failure, PERMISSIONS),
        }
        let blocked = connection.status().blocked();
        match confirmed {
            Ok(()) => {
                findings.ok("confirms", "a message was confirmed");
                findings.ok("alarms", "the broker does not block those who publish");
            }
            Err(failure) if blocked => {
                findings.error("alarms", format!("it blocks those who publish ({failure})"), ALARM);
            }
            Err(failure) => findings.error("confirms", failure, PERMISSIONS),
        }
        // On a connection of its own: in an alarm nothing is read from the other one.
        if let Err(failure) = self.delete_quietly(&queue).await {
            findings.note("quorum-queues", format!("{queue} is left, for a minute: {failure}"));
        }
    }

    async fn try_queue(&self, connection: &Connection, queue: &str) -> (Result<()>, Result<()>) {
        let declare = async {
            let channel = in_time(WHAT, connection.create_channel()).await?;
            let mut arguments = quorum();
            arguments.insert("x-expires".into(), AMQPValue::LongLongInt(EXPIRES));
            let durable = QueueDeclareOptions { durable: true, ..Default::default() };
            in_time(WHAT, channel.queue_declare(queue.into(), durable, arguments)).await?;
            confirm_select(&channel).await?;
            Ok(channel)
        };
        let channel = match declare.await {
            Ok(channel) => channel,
            Err(failure) => return (Err(failure), Ok(())),
        };
        let message = (BasicProperties::default(), &b"doctor"[..]);
        let work = Liveness::default().work("doctor");
        let published = publish(&channel, "", queue, [message].into_iter(), &work);
        let late = |_| {
            let seconds = CONFIRM_TIMEOUT.as_secs();
            Err(Failure::transient("publishing", format!("not confirmed in {seconds} s")))
        };
        let published = tokio::time::timeout(CONFIRM_TIMEOUT, published).await.unwrap_or_else(late);
        (Ok(()), published.map(|_| ()))
    }

    async fn delete_quietly(&self, queue: &str) -> Result<()> {
        let (connection, channel) = self.connect_alone("doctor").await?;
        let deleted = in_time(WHAT, channel.queue_delete(queue.into(), Default::default())).await;
        close(connection).await;
        deleted.map(|_| ())
    }

    /// Whether a queue that is there is of the right type and bounds. Declaring it again tells the first
    /// thing that differs, the type last.
    async fn check_queue(
        &self,
        check: &'static str,
        queue: &str,
        arguments: FieldTable,
        findings: &mut Findings,
    ) {
        let checked = async {
            let (connection, channel) = self.connect_alone("doctor").await?;
            let Some(found) = look(&channel, queue).await? else {
                close(connection).await;
                return Ok(None);
            };
            let durable = QueueDeclareOptions { durable: true, ..Default::default() };
            let again =
                in_time(WHAT, channel.queue_declare(queue.into(), durable, arguments)).await;
            close(connection).await;
            Ok::<_, Failure>(Some((found, again.err())))
        };
        let (found, again) = match checked.await {
            Ok(Some(checked)) => checked,
            Ok(None) => return findings.note(check, format!("{queue} is not there yet")),
            Err(failure) => return findings.untold(check, failure),
        };
        let (messages, consumers) = (found.message_count(), found.consumer_count());
        let state = format!("{queue}: {messages} messages wait, {consumers} consumers");
        match again.map(|failure| failure.to_string()) {
            Some(why) if why.contains("x-queue-type") => {
                findings.error(
                    check,
                    format!("{queue} is no quorum queue: {why}"),
                    DECLARED_OTHERWISE,
                );
            }
            Some(why) => {
                let found = format!(
                    "{state}; declared otherwise than a service does: {why} (the broker names what \
                     differs first, and the type last: it may be no quorum queue either)"
                );
                findings.warning(check, found, DECLARED_OTHERWISE);
            }
            None if check == "views-queue" && consumers == 0 => {
                findings.error(check, state, "start a projector: none takes events from it");
            }
            None => findings.ok(check, state),
        }
    }
}

fn version(greeting: &FieldTable, findings: &mut Findings) {
    let text = |name: &str| match greeting.inner().get(name) {
        Some(AMQPValue::LongString(text)) => text.to_string(),
        _ => String::new(),
    };
    if text("product") != "RabbitMQ" {
        return findings.note("version", format!("it is no RabbitMQ, but {:?}", text("product")));
    }
    findings.version(&text("version"), (3, 10));
}
