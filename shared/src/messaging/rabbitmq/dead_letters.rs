//! The queue of dead letters: bytes that arrived as an event and are none.

use std::time::Duration;

use kernel::{Failure, Result, Timestamp};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicGetOptions, QueueDeclareOptions};
use lapin::protocol::AMQPSoftError;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Connection};
use uuid::Uuid;

use super::publisher::{confirm_select, publish};
use super::{RabbitMq, close, count, in_time, quorum, unless};
use crate::messaging::dead_letter::{DeadLetter, DeadLetterPage};

const REASON: &str = "x-reason";
const QUEUE: &str = "x-queue";
/// Characters kept of a reason. It quotes what was sent, and headers must fit into one frame.
const REASON_LENGTH: usize = 4_096;
/// Of a reason, in the property `type`, which holds 255 bytes.
const KIND_LENGTH: usize = 60;
/// The queue keeps at most so many messages, and so many bytes; the oldest fall out.
const MESSAGES: i64 = 100_000;
const BYTES: i64 = 256 << 20;
/// One look takes no more than this into memory, but for its last message.
const MAX_PAGE_BYTES: usize = 16 << 20;
/// Pause between two looks whether the broker has put back what a look held, and how many.
const PUT_BACK_POLL_INTERVAL: Duration = Duration::from_millis(10);
const PUT_BACK_POLLS: u32 = 200;
const BROWSING: &str = "looking through the dead letters";

/// Where a consumer puts what it can't read: a connection of its own, opened at need.
pub struct DeadLetterPublisher {
    broker: RabbitMq,
    open: Option<(Connection, Channel)>,
}

impl DeadLetterPublisher {
    /// Connects at the first message.
    pub fn new(broker: &RabbitMq) -> Self {
        Self { broker: broker.clone(), open: None }
    }

    /// Returns once the broker has it. An error closes the connection; the next call opens one.
    pub async fn keep(&mut self, body: &[u8], reason: &str, from: &str) -> Result<()> {
        let (connection, channel) = match self.open.take() {
            Some(open) => open,
            None => self.open().await?,
        };
        let message = [(properties(reason, from), body)];
        let queue = self.broker.dead_letter_queue();
        match publish(&channel, "", &queue, message.into_iter(), || {}).await? {
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

fn dead_letter(delivery: Delivery) -> DeadLetter {
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

/// Looks of this process wait for each other. What another process looks at is not seen meanwhile.
impl RabbitMq {
    /// Up to `limit` of what is kept, fewer where they are large.
    pub(crate) async fn dead_letters(&self, limit: usize) -> Result<DeadLetterPage> {
        let _alone = self.looking.lock().await;
        let Some(mut walk) = Walk::start(self).await? else { return Ok(DeadLetterPage::default()) };
        let mut page = DeadLetterPage { items: vec![], total: walk.total };
        let mut bytes = 0;
        while page.items.len() < limit && bytes < MAX_PAGE_BYTES {
            let Some(delivery) = walk.next().await? else { break };
            bytes += delivery.data.len();
            page.items.push(dead_letter(delivery));
        }
        walk.end().await?;
        // What was put back before comes in any order; ids are in that of their arrival.
        page.items.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(page)
    }

    /// The one with this id.
    pub(crate) async fn find_dead_letter(&self, id: &str) -> Result<Option<DeadLetter>> {
        let _alone = self.looking.lock().await;
        let Some(mut walk) = Walk::start(self).await? else { return Ok(None) };
        let found = walk.find(id).await?;
        walk.end().await?;
        Ok(found.map(dead_letter))
    }

    /// Removes the one with this id; whether it was there.
    pub(crate) async fn discard_dead_letter(&self, id: &str) -> Result<bool> {
        let _alone = self.looking.lock().await;
        let Some(mut walk) = Walk::start(self).await? else { return Ok(false) };
        let found = walk.find(id).await?;
        if let Some(delivery) = &found {
            walk.remove(delivery).await?;
        }
        walk.end().await?;
        Ok(found.is_some())
    }
}

/// One pass over the queue. It holds what it has seen; what it did not remove goes back at its end,
/// however it ends.
struct Walk {
    queue: String,
    connection: Connection,
    channel: Channel,
    /// What waited at the start: no more is looked at, or with new arrivals it would never end.
    total: u32,
    seen: u32,
    removed: u32,
}

impl Walk {
    /// `None` when there is no queue: there was never a dead letter.
    async fn start(broker: &RabbitMq) -> Result<Option<Self>> {
        let (connection, channel) = broker.connect("look").await?;
        let queue = broker.dead_letter_queue();
        let Some(total) = count(&channel, &queue).await? else {
            close(connection).await;
            return Ok(None);
        };
        Ok(Some(Self { queue, connection, channel, total, seen: 0, removed: 0 }))
    }

    async fn next(&mut self) -> Result<Option<Delivery>> {
        if self.seen == self.total {
            return Ok(None);
        }
        self.seen += 1;
        let get = self.channel.basic_get(self.queue.as_str().into(), BasicGetOptions::default());
        Ok(in_time(BROWSING, get).await?.map(|message| message.delivery))
    }

    async fn find(&mut self, id: &str) -> Result<Option<Delivery>> {
        while let Some(delivery) = self.next().await? {
            if delivery.properties.message_id().as_ref().is_some_and(|its| its.as_str() == id) {
                return Ok(Some(delivery));
            }
        }
        Ok(None)
    }

    async fn remove(&mut self, delivery: &Delivery) -> Result<()> {
        let one = BasicAckOptions::default();
        in_time(BROWSING, self.channel.basic_ack(delivery.delivery_tag, one)).await?;
        self.removed += 1;
        Ok(())
    }

    /// Lets go of everything. The broker puts it back a moment after it has answered; that is
    /// waited for, so that the next look finds it.
    async fn end(self) -> Result<()> {
        in_time(BROWSING, self.channel.close(200, "done".into())).await?;
        // All is done by now; it may only be hidden for a moment longer.
        if let Err(failure) = self.until_put_back().await {
            tracing::debug!(%failure, "not seen to be put back");
        }
        close(self.connection).await;
        Ok(())
    }

    async fn until_put_back(&self) -> Result<()> {
        let channel = in_time(BROWSING, self.connection.create_channel()).await?;
        let left = self.total - self.removed;
        for _ in 0..PUT_BACK_POLLS {
            match count(&channel, &self.queue).await? {
                Some(count) if count < left => tokio::time::sleep(PUT_BACK_POLL_INTERVAL).await,
                _ => break,
            }
        }
        Ok(())
    }
}
