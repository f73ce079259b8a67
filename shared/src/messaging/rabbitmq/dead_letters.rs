//! The queue of dead letters: bytes that arrived as an event and are none.

use kernel::{Failure, Result, Timestamp};
use lapin::message::Delivery;
use lapin::options::QueueDeclareOptions;
use lapin::protocol::AMQPSoftError;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Connection};
use uuid::Uuid;

use super::publisher::{confirm_select, publish};
use super::{RabbitMq, in_time, quorum, unless};
use crate::messaging::dead_letter::DeadLetter;
use crate::service::liveness::{Liveness, Work};

const REASON: &str = "x-reason";
const QUEUE: &str = "x-queue";
/// Characters kept of a reason. It quotes what was sent, and headers must fit into one frame.
const REASON_LENGTH: usize = 4_096;
/// Of a reason, in the property `type`, which holds 255 bytes.
const KIND_LENGTH: usize = 60;
/// The queue keeps at most so many messages, and so many bytes; the oldest fall out.
const MESSAGES: i64 = 100_000;
const BYTES: i64 = 256 << 20;

/// Where a consumer puts what it can't read: a connection of its own, opened at need.
pub struct DeadLetterPublisher {
    broker: RabbitMq,
    open: Option<(Connection, Channel)>,
    /// Of no liveness: a broker that keeps none for long is no reason for a restart.
    work: Work,
}

impl DeadLetterPublisher {
    /// Connects at the first message.
    pub fn new(broker: &RabbitMq) -> Self {
        let work = Liveness::default().work("dead-letters");
        Self { broker: broker.clone(), open: None, work }
    }

    /// Returns once the broker has it. An error closes the connection; the next call opens one.
    pub async fn keep(&mut self, body: &[u8], reason: &str, from: &str) -> Result<()> {
        let (connection, channel) = match self.open.take() {
            Some(open) => open,
            None => self.open().await?,
        };
        let message = [(properties(reason, from), body)];
        let queue = self.broker.dead_letter_queue();
        match publish(&channel, "", &queue, message.into_iter(), &self.work).await? {
            0 => self.open = Some((connection, channel)),
            _ => return Err(Failure::transient("keeping a dead letter", "its queue is gone")),
        }
        Ok(())
    }

    async fn open(&self) -> Result<(Connection, Channel)> {
        let what = "keeping a dead letter";
        let (connection, mut channel) = self.broker.connect("dead-letters").await?;
        let durable = QueueDeclareOptions { durable: true, ..Default::default() };
        let queue = ShortString::from(self.broker.dead_letter_queue());
        let declared = channel.queue_declare(queue, durable, arguments());
        // One that was declared otherwise, by another build or by hand, serves as well.
        if unless(AMQPSoftError::PRECONDITIONFAILED, what, declared).await?.is_none() {
            channel = in_time(what, connection.create_channel()).await?;
        }
        confirm_select(&channel).await?;
        Ok((connection, channel))
    }
}

/// Arguments of the queue.
pub(super) fn arguments() -> FieldTable {
    let mut arguments = quorum();
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(MESSAGES));
    arguments.insert("x-max-length-bytes".into(), AMQPValue::LongLongInt(BYTES));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("drop-head".into()));
    arguments
}

fn properties(reason: &str, from: &str) -> BasicProperties {
    let cut = |length| reason.chars().take(length).collect::<String>();
    let mut headers = FieldTable::default();
    headers.insert(REASON.into(), AMQPValue::LongString(cut(REASON_LENGTH).into()));
    headers.insert(QUEUE.into(), AMQPValue::LongString(from.into()));
    let now = Timestamp::now().as_millis() / 1_000;
    BasicProperties::default()
        .with_message_id(Uuid::now_v7().to_string().into())
        .with_type(cut(KIND_LENGTH).into())
        .with_timestamp(u64::try_from(now).unwrap_or(0))
        .with_content_type("application/octet-stream".into())
        .with_app_id("waybill".into())
        .with_headers(headers)
        .with_delivery_mode(2)
}

pub(super) fn dead_letter(delivery: Delivery) -> DeadLetter {
    let properties = &delivery.properties;
    let header = |name| match properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongString(text) => Some(text.to_string()),
        _ => None,
    };
    let text = |property: &Option<ShortString>| property.clone().map(String::from);
    let seconds = i64::try_from(properties.timestamp().unwrap_or(0)).unwrap_or(i64::MAX);
    DeadLetter {
        id: text(properties.message_id()).unwrap_or_default(),
        reason: header(REASON).or_else(|| text(properties.kind())).unwrap_or_default(),
        queue: header(QUEUE).unwrap_or_default(),
        at: Timestamp::from_millis(seconds.saturating_mul(1_000)),
        body: delivery.data,
    }
}
