//! The queue of a generation. What is no event goes to the queue of dead letters.

mod keeper;

use async_trait::async_trait;
use kernel::log::{LogId, Position, Recorded};
use kernel::{Namespace, Result};

use self::keeper::Keeper;
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
}

/// Bytes of the messages that are taken at a time, but for the last one.
const TAKE: usize = 2 << 20;

impl Queue {
    pub fn new(consumer: Consumer, log: LogId, broker: &RabbitMq) -> Self {
        let dead_letters =
            Keeper::start(DeadLetterPublisher::new(broker), consumer.queue().to_owned());
        Self { consumer, log, unacked: vec![], dead_letters }
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
            };
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
pub struct Queues {
    pub broker: RabbitMq,
    pub namespace: Namespace,
}

#[async_trait]
impl Feeds for Queues {
    async fn open(&self, generation: &Generation) -> Result<()> {
        self.broker.declare(&generation.queue(&self.namespace)).await
    }

    async fn subscribe(&self, generation: &Generation, _: Position) -> Result<Box<dyn Feed>> {
        let queue = generation.queue(&self.namespace);
        let consumer = self.broker.consumer(&queue, PREFETCH).await?;
        Ok(Box::new(Queue::new(consumer, generation.log.clone(), &self.broker)))
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
