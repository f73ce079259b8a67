//! RabbitMQ: connecting, declaring, deleting. A publisher always has a connection of its own: in an
//! alarm the broker blocks it, and then the client writes nothing on it, acks included.

mod connect;
mod consumer;
mod dead_letters;
mod diagnose;
mod looks;
mod publisher;

use std::sync::Arc;
use std::time::Duration;

use kernel::{Failure, Namespace, Result};
use lapin::options::{
    BasicGetOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ErrorKind, ExchangeKind, Queue};
use tokio::sync::Mutex;

pub(crate) use self::consumer::{Consumer, ConsumerConnection, Delivery};
pub use self::dead_letters::DeadLetterPublisher;
pub use self::publisher::{Message, Publisher, UNPUBLISHED};
use crate::endpoint::Endpoint;

/// For logs: the client library writes an error for each channel that the broker closes. Its caller is
/// told as well, and expects that where it asks whether a queue is there.
pub(crate) const LOG_FILTER: &str = "lapin::channel=off";
/// The name, behind the namespace, of the queue for messages that are no events.
const DEAD_LETTERS: &str = "dead-letters";
/// A queue keeps at most this many messages; older ones fall out, and the views are healed.
const QUEUE_LENGTH: i64 = 1_000_000;
/// The broker removes a queue that was not used for so long, in milliseconds.
const QUEUE_EXPIRES: i64 = 7 * 24 * 3_600 * 1_000;
/// Redeliveries are harmless here; broker versions from 4.0 would drop a message after 20.
const DELIVERY_LIMIT: i64 = 1_000_000;
/// How long the broker may take to confirm, connect or answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the broker may take to close a connection; then it is no longer waited for.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

fn failure(what: &str) -> impl Fn(lapin::Error) -> Failure + '_ {
    move |error| Failure::transient(what, error)
}

async fn in_time<T>(what: &str, done: impl Future<Output = lapin::Result<T>>) -> Result<T> {
    match tokio::time::timeout(ANSWER_TIMEOUT, done).await {
        Ok(done) => done.map_err(failure(what)),
        Err(_) => {
            Err(Failure::transient(what, format!("no answer in {} s", ANSWER_TIMEOUT.as_secs())))
        }
    }
}

/// Several steps, in the time of one.
async fn all_in_time<T>(what: &str, done: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(ANSWER_TIMEOUT, done).await {
        Ok(done) => done,
        Err(_) => {
            Err(Failure::transient(what, format!("not done in {} s", ANSWER_TIMEOUT.as_secs())))
        }
    }
}

/// The same, where the broker may close the channel for `why`: `None` then.
async fn unless<T>(
    why: AMQPSoftError,
    what: &str,
    done: impl Future<Output = lapin::Result<T>>,
) -> Result<Option<T>> {
    let why = AMQPErrorKind::Soft(why);
    let done = async {
        match done.await {
            Err(error) if is_told(&error, &why) => Ok(None),
            done => done.map(Some),
        }
    };
    in_time(what, done).await
}

/// Whether the broker said so; not so where the connection broke.
fn is_told(error: &lapin::Error, why: &AMQPErrorKind) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(told) if told.kind() == why)
}

/// How to reach the broker.
#[derive(Debug, Clone)]
pub struct RabbitMq {
    endpoint: Endpoint,
    namespace: Namespace,
    /// Held by one look at the dead letters: the broker shows no other look what this one holds.
    looking: Arc<Mutex<()>>,
    /// How long such a look goes through the queue.
    walk_timeout: Duration,
}

impl RabbitMq {
    /// For the broker at `endpoint` (`amqp://…`). Connects only when something is asked of it.
    pub fn new(endpoint: impl Into<Endpoint>, namespace: &Namespace) -> Self {
        Self {
            endpoint: endpoint.into(),
            namespace: namespace.clone(),
            looking: Arc::default(),
            walk_timeout: looks::WALK_TIMEOUT,
        }
    }

    /// The same, with another time for a look to go through the dead letters. For tests.
    pub fn with_walk_timeout(self, walk_timeout: Duration) -> Self {
        Self { walk_timeout, ..self }
    }

    /// The fanout exchange that carries every event.
    pub fn exchange(&self) -> String {
        super::exchange(&self.namespace)
    }

    /// The queue that keeps what is no event.
    pub fn dead_letter_queue(&self) -> String {
        format!("{}.{DEAD_LETTERS}", self.namespace)
    }

    /// A connection, on which the exchange is declared.
    async fn connect(&self, role: &str) -> Result<(Connection, Channel)> {
        let (connection, channel) = self.connect_alone(role).await?;
        let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
        let declared = channel.exchange_declare(
            self.exchange().into(),
            ExchangeKind::Fanout,
            durable,
            FieldTable::default(),
        );
        in_time("connecting to RabbitMQ", declared).await?;
        Ok((connection, channel))
    }

    /// A publisher to the exchange, which it declares; it declares no queue.
    pub async fn publisher(&self) -> Result<Publisher> {
        let (connection, channel) = self.connect("relay").await?;
        Publisher::new(self.exchange(), connection, channel).await
    }

    async fn declare_on(&self, channel: &Channel, queue: &str) -> Result<()> {
        let what = "declaring a queue";
        let durable = QueueDeclareOptions { durable: true, ..Default::default() };
        in_time(what, channel.queue_declare(queue.into(), durable, of_views())).await?;
        let bind = channel.queue_bind(
            queue.into(),
            self.exchange().into(),
            "".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        in_time("binding a queue", bind).await
    }

    /// Deletes a queue with all that is in it; no error where it is gone already.
    pub async fn delete(&self, queue: &str) -> Result<()> {
        let delete = async {
            let (connection, channel) = self.connect("delete").await?;
            let deleted = channel.queue_delete(queue.into(), QueueDeleteOptions::default());
            in_time("deleting a queue", deleted).await?;
            close(connection).await;
            Ok(())
        };
        all_in_time("deleting a queue", delete).await
    }

    /// Whether the broker serves the queue: it hands out a message, which goes back, or tells that there
    /// is none. It does not where it says that it can't, or does not answer; any other error says nothing
    /// of the queue. True where there is no such queue.
    pub async fn serves(&self, queue: &str) -> Result<bool> {
        let (connection, channel) = self.connect("look").await?;
        if count(&channel, queue).await?.is_none() {
            close(connection).await;
            return Ok(true);
        }
        let got = channel.basic_get(queue.into(), BasicGetOptions::default());
        let got = tokio::time::timeout(ANSWER_TIMEOUT, got).await;
        close(connection).await;
        let without_leader = AMQPErrorKind::Hard(AMQPHardError::INTERNALERROR);
        match got {
            Ok(Ok(_)) => Ok(true),
            Ok(Err(error)) if !is_told(&error, &without_leader) => {
                Err(failure("looking at a queue")(error))
            }
            Ok(Err(_)) | Err(_) => Ok(false),
        }
    }

    /// Messages that wait in the queue, those that are delivered and not acknowledged left out; `None`
    /// when there is no such queue. Connects for it.
    pub async fn waiting(&self, queue: &str) -> Result<Option<u32>> {
        let (connection, channel) = self.connect("look").await?;
        let waiting = count(&channel, queue).await?;
        close(connection).await;
        Ok(waiting)
    }

    /// Removes the exchange. For tests.
    pub async fn delete_exchange(&self) -> Result<()> {
        let (connection, channel) = self.connect("delete").await?;
        let deleted = channel.exchange_delete(self.exchange().into(), Default::default());
        in_time("deleting the exchange", deleted).await?;
        close(connection).await;
        Ok(())
    }

    /// A connection for a consumer. An error says nothing of any queue.
    pub(crate) async fn connect_consumer(&self) -> Result<ConsumerConnection> {
        let (connection, channel) = self.connect("projector").await?;
        Ok(ConsumerConnection::new(self.clone(), connection, channel))
    }
}

/// Arguments of all queues: copies on several nodes, and a high limit of redeliveries.
fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(DELIVERY_LIMIT));
    arguments
}

/// Arguments of the queue of a generation of views.
fn of_views() -> FieldTable {
    let mut arguments = quorum();
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(QUEUE_LENGTH));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("drop-head".into()));
    arguments.insert("x-expires".into(), AMQPValue::LongLongInt(QUEUE_EXPIRES));
    arguments
}

/// Messages that wait in the queue; where there is none (`None`) the channel is closed.
async fn count(channel: &Channel, queue: &str) -> Result<Option<u32>> {
    Ok(look(channel, queue).await?.map(|queue| queue.message_count()))
}

/// The queue as it is; where there is none (`None`) the channel is closed.
async fn look(channel: &Channel, queue: &str) -> Result<Option<Queue>> {
    let passive = QueueDeclareOptions { passive: true, ..Default::default() };
    let found = channel.queue_declare(queue.into(), passive, FieldTable::default());
    unless(AMQPSoftError::NOTFOUND, "looking at a queue", found).await
}

async fn close(connection: Connection) {
    match tokio::time::timeout(CLOSE_TIMEOUT, connection.close(200, "done".into())).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "closing a connection to RabbitMQ"),
        Err(_) => tracing::debug!("RabbitMQ did not answer a goodbye"),
    }
}
