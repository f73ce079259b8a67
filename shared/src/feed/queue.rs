//! The queue of a generation. What is no event goes to the queue of dead letters.

mod keeper;
mod unserved;

use std::sync::Arc;

use async_trait::async_trait;
use kernel::log::{LogId, Position, Recorded};
use kernel::{Namespace, Result};

use self::keeper::Keeper;
use self::unserved::{Served, Unserved};
use super::{Feed, Feeds};
use crate::messaging::cloud_event;
use crate::messaging::dead_letter::{DeadLetter, DeadLetterPage};
use crate::messaging::rabbitmq::{Consumer, DeadLetterPublisher, Delivery, RabbitMq};
use crate::view_store::Generation;

pub struct Queue {
    consumer: Consumer,
    log: LogId,
    /// Deliveries of events that were handed out and are not acknowledged, ascending.
    unacked: Vec<u64>,
    dead_letters: Keeper,
    served: Served,
}

/// Bytes of the messages that are taken at a time, but for the last one.
const TAKE: usize = 2 << 20;

impl Queue {
    fn new(consumer: Consumer, log: LogId, broker: &RabbitMq, unserved: Arc<Unserved>) -> Self {
        let publisher = DeadLetterPublisher::new(broker);
        let dead_letters = Keeper::start(publisher, consumer.queue().to_owned());
        let served = Served::new(unserved, consumer.queue());
        Self { consumer, log, unacked: vec![], dead_letters, served }
    }

    /// The event of a delivery. What is none is kept elsewhere meanwhile; the others do not wait for it.
    fn readable(&mut self, delivery: Delivery) -> Option<Recorded> {
        match cloud_event::decode(&delivery.body, &self.log) {
            Ok(event) => {
                self.unacked.push(delivery.tag);
                Some(event)
            }
            Err(reason) => {
                let bytes = delivery.body.len();
                tracing::warn!(reason, bytes, "keeping a message that is no event");
                self.dead_letters.keep(delivery, reason);
                None
            }
        }
    }
}

#[async_trait]
impl Feed for Queue {
    async fn next(&mut self, limit: usize) -> Result<Vec<Recorded>> {
        loop {
            let deliveries = tokio::select! {
                deliveries = self.consumer.take(limit, TAKE) => deliveries?,
                Some(tag) = self.dead_letters.kept() => {
                    self.consumer.ack(tag, false).await?;
                    continue;
                }
                () = self.served.is_doubted() => {
                    self.served.look(&self.consumer).await?;
                    continue;
                }
            };
            self.served.delivered();
            let events: Vec<Recorded> =
                deliveries.into_iter().filter_map(|delivery| self.readable(delivery)).collect();
            if !events.is_empty() {
                return Ok(events);
            }
        }
    }

    async fn ack(&mut self) -> Result<()> {
        let acked = std::mem::take(&mut self.unacked);
        let Some(last) = acked.last().copied() else { return Ok(()) };
        if self.dead_letters.is_keeping_before(last) {
            // One that is not kept yet may not be acknowledged with those behind it.
            for tag in acked {
                self.consumer.ack(tag, false).await?;
            }
            return Ok(());
        }
        self.consumer.ack(last, true).await
    }
}

/// Deliveries that are not acknowledged of one worker: a few batches, so that the next one is always there.
const PREFETCH: u16 = 512;

/// Feeds that are queues, one for each generation, shared by all its workers.
///
/// A queue that the broker does not serve any more confirms nothing, and so holds up the exchange. It
/// is deleted; the next worker declares it anew, and the healer brings in what it held.
pub struct Queues {
    broker: RabbitMq,
    namespace: Namespace,
    unserved: Arc<Unserved>,
}

impl Queues {
    pub fn new(broker: RabbitMq, namespace: Namespace) -> Self {
        Self { broker, namespace, unserved: Arc::default() }
    }

    /// Deletes the queue when it was used in vain too often.
    async fn delete_unserved(&self, queue: &str) {
        if !self.unserved.is_given_up(queue) {
            return;
        }
        tracing::warn!(queue, "deleting a queue that the broker does not serve");
        match self.broker.delete(queue).await {
            Ok(()) => self.unserved.is_served(queue),
            Err(failure) => tracing::warn!(%failure, queue, "it is not deleted yet"),
        }
    }
}

#[async_trait]
impl Feeds for Queues {
    async fn open(&self, generation: &Generation) -> Result<()> {
        let queue = generation.queue(&self.namespace);
        self.delete_unserved(&queue).await;
        let declared = self.broker.connect_consumer().await?.declare(&queue).await;
        declared.inspect_err(|_| self.unserved.used_in_vain(&queue))
    }

    async fn subscribe(&self, generation: &Generation, _: Position) -> Result<Box<dyn Feed>> {
        let queue = generation.queue(&self.namespace);
        self.delete_unserved(&queue).await;
        let connection = self.broker.connect_consumer().await?;
        let consumer = connection.consume(&queue, PREFETCH).await;
        let consumer = consumer.inspect_err(|_| self.unserved.used_in_vain(&queue))?;
        let log = generation.log.clone();
        Ok(Box::new(Queue::new(consumer, log, &self.broker, self.unserved.clone())))
    }

    async fn close(&self, generation: &Generation) -> Result<()> {
        self.broker.delete(&generation.queue(&self.namespace)).await
    }

    async fn dead_letters(&self, limit: usize) -> Result<DeadLetterPage> {
        self.broker.dead_letters(limit).await
    }

    async fn find_dead_letter(&self, id: &str) -> Result<Option<DeadLetter>> {
        self.broker.find_dead_letter(id).await
    }

    async fn discard_dead_letter(&self, id: &str) -> Result<bool> {
        self.broker.discard_dead_letter(id).await
    }
}
