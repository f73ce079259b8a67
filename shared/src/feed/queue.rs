//! The queue of a generation. What is no event goes to the queue of the unreadable.

use async_trait::async_trait;

use super::{Feed, Feeds, Unreadable, UnreadablePage};
use crate::log::{LogId, Position, Recorded};
use crate::message;
use crate::rabbitmq::{Consumer, RabbitMq};
use crate::view_store::Generation;
use crate::{Namespace, Result};

pub struct Queue {
    consumer: Consumer,
    log: LogId,
    /// Deliveries taken since the last ack.
    unsettled: bool,
}

impl Queue {
    pub fn new(consumer: Consumer, log: LogId) -> Self {
        Self { consumer, log, unsettled: false }
    }

    async fn readable(&mut self, body: &[u8]) -> Result<Option<Recorded>> {
        match message::decode(body, &self.log) {
            Ok(event) => Ok(Some(event)),
            Err(reason) => {
                tracing::warn!(reason, bytes = body.len(), "kept a message that is no event");
                self.consumer.keep_unreadable(body, &reason).await?;
                Ok(None)
            }
        }
    }
}

#[async_trait]
impl Feed for Queue {
    async fn next(&mut self, limit: usize) -> Result<Vec<Recorded>> {
        loop {
            let bodies = self.consumer.take(limit).await?;
            self.unsettled = true;
            let mut events = Vec::with_capacity(bodies.len());
            for body in bodies {
                events.extend(self.readable(&body).await?);
            }
            if !events.is_empty() {
                return Ok(events);
            }
            self.settle().await?;
        }
    }

    async fn settle(&mut self) -> Result<()> {
        if std::mem::take(&mut self.unsettled) {
            self.consumer.ack().await?;
        }
        Ok(())
    }
}

/// Unsettled deliveries of one worker: a few batches, so that the next one is always there.
const PREFETCH: u16 = 1_024;

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
        Ok(Box::new(Queue::new(consumer, generation.log.clone())))
    }

    async fn close(&self, generation: &Generation) -> Result<()> {
        self.broker.delete(&generation.queue(&self.namespace)).await
    }

    async fn unreadable(&self, limit: usize) -> Result<UnreadablePage> {
        self.broker.look_at_unreadable(limit).await
    }

    async fn find_unreadable(&self, id: &str) -> Result<Option<Unreadable>> {
        self.broker.find_unreadable(id).await
    }

    async fn discard_unreadable(&self, id: &str) -> Result<bool> {
        self.broker.discard_unreadable(id).await
    }
}
