//! Consuming.

use futures::future::FutureExt as _;
use futures::stream::StreamExt as _;
use kernel::{Failure, Result};
use lapin::options::BasicAckOptions;
use lapin::{Channel, Connection};

use super::{failure, in_time};

/// Takes deliveries from a queue. After any error it is of no use any more; what it did not acknowledge
/// is delivered again.
pub struct Consumer {
    /// Open as long as it is held.
    _connection: Connection,
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
    pub(super) fn new(
        connection: Connection,
        channel: Channel,
        deliveries: lapin::Consumer,
        queue: &str,
    ) -> Self {
        Self { _connection: connection, channel, deliveries, queue: queue.to_owned() }
    }

    /// The queue that it takes from.
    pub fn queue(&self) -> &str {
        &self.queue
    }

    /// Waits for a delivery, and takes what else has arrived, up to `limit` or about so many bytes.
    /// May be dropped while it waits: nothing is lost then.
    pub async fn take(&mut self, limit: usize, bytes: usize) -> Result<Vec<Delivery>> {
        let what = "consuming a queue";
        let gone = || Failure::transient(what, "the broker ended it: was the queue deleted?");
        let mut next = Some(self.deliveries.next().await);
        let (mut taken, mut size) = (vec![], 0);
        while let Some(delivery) = next {
            let delivery = delivery.ok_or_else(gone)?.map_err(failure(what))?;
            size += delivery.data.len();
            taken.push(Delivery { tag: delivery.delivery_tag, body: delivery.data });
            next = match taken.len() < limit && size < bytes {
                true => self.deliveries.next().now_or_never(),
                false => None,
            };
        }
        Ok(taken)
    }

    /// Acknowledges this delivery and, if `earlier`, all before it.
    pub async fn ack(&mut self, tag: u64, earlier: bool) -> Result<()> {
        let options = BasicAckOptions { multiple: earlier };
        in_time("acknowledging deliveries", self.channel.basic_ack(tag, options)).await
    }
}
