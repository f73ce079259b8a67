//! Consuming.

use futures::future::FutureExt as _;
use futures::stream::StreamExt as _;
use lapin::options::BasicAckOptions;
use lapin::{Channel, Connection};

use super::unreadable::Aside;
use super::{RabbitMq, failure, in_time};
use crate::{Failure, Result};

/// Takes deliveries from a queue. After any error it is of no use any more; what it did not settle
/// is delivered again.
pub struct Consumer {
    /// Open as long as it is held.
    _connection: Connection,
    channel: Channel,
    deliveries: lapin::Consumer,
    queue: String,
    /// Tag of the last delivery taken.
    last: Option<u64>,
    aside: Aside,
}

impl Consumer {
    pub(super) fn new(
        connection: Connection,
        channel: Channel,
        deliveries: lapin::Consumer,
        queue: &str,
        broker: &RabbitMq,
    ) -> Self {
        let (queue, aside) = (queue.to_owned(), Aside::new(broker));
        Self { _connection: connection, channel, deliveries, queue, last: None, aside }
    }

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
        self.aside.keep(body, reason, &self.queue).await
    }
}
