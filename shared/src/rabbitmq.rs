//! RabbitMQ: publishing with confirms, and consuming. One connection each, as a blocked publisher
//! must not keep a consumer from settling.

use std::collections::VecDeque;
use std::time::Duration;

use futures::future::{FutureExt as _, join_all};
use futures::stream::StreamExt as _;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind,
};

use crate::{Failure, Namespace, Result};

/// Bytes of nobody's event are told from events by their own queue.
const UNREADABLE: &str = "unreadable";
/// A queue keeps at most this many messages; older ones fall out, and the views are healed.
const QUEUE_LENGTH: i64 = 1_000_000;
/// A queue that nobody uses for so long is removed by the broker, in milliseconds.
const QUEUE_EXPIRES: i64 = 7 * 24 * 3_600 * 1_000;
/// Redeliveries are harmless here; broker versions from 4.0 would drop a message after 20.
const DELIVERY_LIMIT: i64 = 1_000_000;
/// How long the broker may take to confirm, connect or answer.
const PATIENCE: Duration = Duration::from_secs(20);

fn failure(what: &str) -> impl Fn(lapin::Error) -> Failure + '_ {
    move |error| Failure::transient(what, error)
}

async fn in_time<T>(what: &str, done: impl Future<Output = lapin::Result<T>>) -> Result<T> {
    match tokio::time::timeout(PATIENCE, done).await {
        Ok(done) => done.map_err(failure(what)),
        Err(_) => Err(Failure::transient(what, format!("no answer in {} s", PATIENCE.as_secs()))),
    }
}

/// How to reach the broker.
#[derive(Debug, Clone)]
pub struct RabbitMq {
    url: String,
    namespace: Namespace,
}

/// One message, ready to be published.
#[derive(Debug, Clone)]
pub struct Message {
    pub id: String,
    pub kind: String,
    /// Seconds since 1970.
    pub timestamp: u64,
    pub body: Vec<u8>,
}

impl RabbitMq {
    pub fn new(url: &str, namespace: &Namespace) -> Self {
        Self { url: url.to_owned(), namespace: namespace.clone() }
    }

    /// The fanout exchange that carries every event.
    pub fn exchange(&self) -> String {
        format!("{}.events", self.namespace)
    }

    pub fn unreadable(&self) -> String {
        format!("{}.{UNREADABLE}", self.namespace)
    }

    async fn connect(&self, role: &str) -> Result<(Connection, Channel)> {
        let what = "connecting to RabbitMQ";
        let properties = ConnectionProperties::default()
            .with_connection_name(format!("{} {role}", self.namespace).into());
        let connection = in_time(what, Connection::connect(&self.url, properties)).await?;
        let channel = in_time(what, connection.create_channel()).await?;
        let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
        let exchange = ShortString::from(self.exchange());
        let declared = channel.exchange_declare(
            exchange,
            ExchangeKind::Fanout,
            durable,
            FieldTable::default(),
        );
        in_time(what, declared).await?;
        Ok((connection, channel))
    }

    /// A publisher to the exchange, which it declares; queues are none of its business.
    pub async fn publisher(&self) -> Result<Publisher> {
        let (connection, channel) = self.connect("relay").await?;
        confirm_select(&channel).await?;
        Ok(Publisher { exchange: self.exchange(), channel, connection })
    }

    /// Declares a queue of a generation and binds it to the exchange.
    pub async fn declare(&self, queue: &str) -> Result<()> {
        let (connection, channel) = self.connect("declare").await?;
        self.declare_on(&channel, queue).await?;
        close(connection).await;
        Ok(())
    }

    async fn declare_on(&self, channel: &Channel, queue: &str) -> Result<()> {
        let what = "declaring a queue";
        let number = |value| AMQPValue::LongLongInt(value);
        let mut arguments = quorum();
        arguments.insert("x-max-length".into(), number(QUEUE_LENGTH));
        arguments.insert("x-overflow".into(), AMQPValue::LongString("drop-head".into()));
        arguments.insert("x-expires".into(), number(QUEUE_EXPIRES));
        arguments.insert("x-delivery-limit".into(), number(DELIVERY_LIMIT));
        let durable = QueueDeclareOptions { durable: true, ..Default::default() };
        in_time(what, channel.queue_declare(queue.into(), durable, arguments)).await?;
        let bind = channel.queue_bind(
            queue.into(),
            self.exchange().into(),
            "".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        in_time("binding a queue", bind).await
    }

    pub async fn delete(&self, queue: &str) -> Result<()> {
        let (connection, channel) = self.connect("delete").await?;
        let deleted = channel.queue_delete(queue.into(), QueueDeleteOptions::default());
        in_time("deleting a queue", deleted).await?;
        close(connection).await;
        Ok(())
    }

    /// Messages that wait in the queue, unsettled ones left out; `None` when there is no such queue.
    pub async fn waiting(&self, queue: &str) -> Result<Option<u32>> {
        let (connection, channel) = self.connect("look").await?;
        let passive = QueueDeclareOptions { passive: true, ..Default::default() };
        let found = channel.queue_declare(queue.into(), passive, FieldTable::default()).await;
        close(connection).await;
        Ok(found.ok().map(|queue| queue.message_count()))
    }

    /// Removes the exchange. For tests.
    pub async fn delete_exchange(&self) -> Result<()> {
        let (connection, channel) = self.connect("delete").await?;
        let deleted = channel.exchange_delete(self.exchange().into(), Default::default());
        in_time("deleting the exchange", deleted).await?;
        close(connection).await;
        Ok(())
    }

    /// Consumes a queue, declaring it where it is missing. At most `prefetch` deliveries are
    /// unsettled at a time.
    pub async fn consumer(&self, queue: &str, prefetch: u16) -> Result<Consumer> {
        let what = "consuming a queue";
        let (connection, channel) = self.connect("projector").await?;
        self.declare_on(&channel, queue).await?;
        in_time(what, channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
        let consumer = channel.basic_consume(
            queue.into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let deliveries = in_time(what, consumer).await?;
        let unreadable = self.unreadable();
        Ok(Consumer { connection, channel, deliveries, unreadable, last: None, aside: None })
    }
}

fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments
}

async fn confirm_select(channel: &Channel) -> Result<()> {
    in_time("asking for confirms", channel.confirm_select(ConfirmSelectOptions::default())).await
}

async fn close(connection: Connection) {
    if let Err(error) = connection.close(200, "done".into()).await {
        tracing::debug!(%error, "closing a connection to RabbitMQ");
    }
}

/// Publishes to the exchange. After any error it is of no use any more.
pub struct Publisher {
    exchange: String,
    channel: Channel,
    connection: Connection,
}

impl Publisher {
    /// Publishes the messages in their order and waits until the broker has confirmed every one:
    /// all queues that are bound hold them durably.
    pub async fn publish(&self, messages: &[Message]) -> Result<()> {
        publish(&self.channel, &self.exchange, "", messages).await
    }

    pub async fn close(self) {
        close(self.connection).await;
    }
}

async fn publish(channel: &Channel, exchange: &str, key: &str, messages: &[Message]) -> Result<()> {
    let what = "publishing";
    let (exchange, key) = (ShortString::from(exchange), ShortString::from(key));
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    // Polled in order, so they go out in order.
    let sends = messages.iter().map(|message| {
        let properties = properties(message);
        channel.basic_publish(exchange.clone(), key.clone(), options, &message.body, properties)
    });
    let sent = tokio::time::timeout(PATIENCE, join_all(sends)).await;
    let sent = sent.map_err(|_| Failure::transient(what, "the broker takes no messages"))?;
    let mut confirms =
        sent.into_iter().collect::<lapin::Result<VecDeque<_>>>().map_err(failure(what))?;
    let mut returned = 0_usize;
    while let Some(confirm) = confirms.pop_front() {
        // A return may be attached to another message's confirm, but to one of this run's.
        match in_time(what, confirm).await? {
            Confirmation::Ack(None) => {}
            Confirmation::Ack(Some(_)) => returned += 1,
            Confirmation::Nack(_) => {
                return Err(Failure::transient(what, "the broker refused a message"));
            }
            Confirmation::NotRequested => {
                return Err(Failure::transient(what, "the channel does not confirm"));
            }
        }
    }
    match returned {
        0 => Ok(()),
        _ => Err(Failure::transient(
            what,
            format!(
                "no queue is bound to the exchange {exchange}: start a projector, which binds its own"
            ),
        )),
    }
}

fn properties(message: &Message) -> BasicProperties {
    BasicProperties::default()
        .with_message_id(message.id.as_str().into())
        .with_type(message.kind.as_str().into())
        .with_timestamp(message.timestamp)
        .with_content_type(crate::message::CONTENT_TYPE.into())
        .with_app_id("waybill".into())
        .with_delivery_mode(2)
}

/// Takes deliveries from a queue. After any error it is of no use any more; what it did not settle
/// is delivered again.
pub struct Consumer {
    connection: Connection,
    channel: Channel,
    deliveries: lapin::Consumer,
    unreadable: String,
    /// Tag of the last delivery taken.
    last: Option<u64>,
    /// For the queue of the unreadable, when there was need of it.
    aside: Option<Channel>,
}

impl Consumer {
    /// Waits for a delivery, and takes what else has arrived, up to `limit`.
    pub async fn take(&mut self, limit: usize) -> Result<Vec<Vec<u8>>> {
        let what = "consuming a queue";
        let gone = || Failure::transient(what, "the broker ended it: was the queue deleted?");
        let mut next = Some(self.deliveries.next().await);
        let mut bodies = vec![];
        while let Some(delivery) = next {
            let delivery = delivery.ok_or_else(gone)?.map_err(failure(what))?;
            self.last = Some(delivery.delivery_tag);
            bodies.push(delivery.data);
            next = match bodies.len() < limit {
                true => self.deliveries.next().now_or_never(),
                false => None,
            };
        }
        Ok(bodies)
    }

    /// Settles everything taken so far.
    pub async fn ack(&mut self) -> Result<()> {
        let Some(tag) = self.last.take() else { return Ok(()) };
        let multiple = BasicAckOptions { multiple: true };
        in_time("settling deliveries", self.channel.basic_ack(tag, multiple)).await
    }

    /// Keeps bytes that are no event, with the reason; returns once the broker has them.
    pub async fn keep_unreadable(&mut self, body: &[u8], reason: &str) -> Result<()> {
        let channel = self.aside().await?;
        let message = Message {
            id: uuid::Uuid::now_v7().to_string(),
            kind: reason.chars().take(60).collect(),
            timestamp: u64::try_from(crate::Timestamp::now().as_millis() / 1_000).unwrap_or(0),
            body: body.to_vec(),
        };
        publish(&channel, "", &self.unreadable, &[message]).await
    }

    async fn aside(&mut self) -> Result<Channel> {
        if let Some(channel) = &self.aside {
            return Ok(channel.clone());
        }
        let what = "keeping the unreadable";
        let channel = in_time(what, self.connection.create_channel()).await?;
        let durable = QueueDeclareOptions { durable: true, ..Default::default() };
        let declared = channel.queue_declare(self.unreadable.as_str().into(), durable, quorum());
        in_time(what, declared).await?;
        confirm_select(&channel).await?;
        self.aside = Some(channel.clone());
        Ok(channel)
    }
}
