//! Consuming.

use futures::future::FutureExt as _;
use futures::stream::StreamExt as _;
use kernel::{Failure, Result};
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection};

use super::{RabbitMq, all_in_time, close, failure, in_time, look};

const CHECKING: &str = "looking whether the queue is served";

/// A connection that consumes nothing yet.
pub struct ConsumerConnection {
    broker: RabbitMq,
    connection: Connection,
    channel: Channel,
}

impl ConsumerConnection {
    pub(super) fn new(broker: RabbitMq, connection: Connection, channel: Channel) -> Self {
        Self { broker, connection, channel }
    }

    /// Declares a queue of a generation, binds it to the exchange, and closes the connection.
    pub(crate) async fn declare(self, queue: &str) -> Result<()> {
        let declare = async {
            self.broker.declare_on(&self.channel, queue).await?;
            close(self.connection).await;
            Ok(())
        };
        all_in_time("declaring a queue", declare).await
    }

    /// Consumes a queue, declaring it where it is missing. At most `prefetch` deliveries are
    /// unacknowledged at a time.
    pub async fn consume(self, queue: &str, prefetch: u16) -> Result<Consumer> {
        all_in_time("consuming a queue", self.start(queue, prefetch)).await
    }

    async fn start(self, queue: &str, prefetch: u16) -> Result<Consumer> {
        let what = "consuming a queue";
        let Self { broker, connection, channel } = self;
        broker.declare_on(&channel, queue).await?;
        in_time(what, channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
        let consumer = channel.basic_consume(
            queue.into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let deliveries = in_time(what, consumer).await?;
        Ok(Consumer::new(connection, channel, deliveries, queue))
    }
}

/// Takes deliveries from a queue. After any error it is of no use any more; what it did not acknowledge
/// is delivered again.
pub struct Consumer {
    connection: Connection,
    channel: Channel,
    deliveries: lapin::Consumer,
    queue: String,
}

/// A message, and the number under which it is acknowledged.
pub struct Delivery {
    pub tag: u64,
    pub body: Vec<u8>,
}

impl Consumer {
    fn new(
        connection: Connection,
        channel: Channel,
        deliveries: lapin::Consumer,
        queue: &str,
    ) -> Self {
        Self { connection, channel, deliveries, queue: queue.to_owned() }
    }

    /// The queue that it takes from.
    pub(crate) fn queue(&self) -> &str {
        &self.queue
    }

    /// Waits for a delivery. May be dropped while it waits: nothing is lost then.
    pub async fn next(&mut self) -> Result<Delivery> {
        let next = self.deliveries.next().await;
        delivery(next)
    }

    /// A delivery that has arrived, if there is one.
    pub fn ready(&mut self) -> Result<Option<Delivery>> {
        self.deliveries.next().now_or_never().map(delivery).transpose()
    }

    /// Whether the broker counts a consumer of the queue. This one is, as long as the broker serves the
    /// queue: a quorum queue without a leader has none.
    pub(crate) async fn is_served(&self) -> Result<bool> {
        // A channel of its own: where the queue is gone, the broker closes it.
        let channel = in_time(CHECKING, self.connection.create_channel()).await?;
        let queue = look(&channel, &self.queue).await?;
        if queue.is_some() {
            in_time(CHECKING, channel.close(200, "done".into())).await?;
        }
        Ok(queue.is_some_and(|queue| queue.consumer_count() > 0))
    }

    /// Acknowledges this delivery and, if `earlier`, all before it.
    pub(crate) async fn ack(&mut self, tag: u64, earlier: bool) -> Result<()> {
        let options = BasicAckOptions { multiple: earlier };
        in_time("acknowledging deliveries", self.channel.basic_ack(tag, options)).await
    }
}

fn delivery(next: Option<lapin::Result<lapin::message::Delivery>>) -> Result<Delivery> {
    let what = "consuming a queue";
    let gone = || Failure::transient(what, "the broker ended it: was the queue deleted?");
    let delivery = next.ok_or_else(gone)?.map_err(failure(what))?;
    Ok(Delivery { tag: delivery.delivery_tag, body: delivery.data })
}
