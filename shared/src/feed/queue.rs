//! The queue of a generation. What is no event goes to the queue of dead letters.

mod keeper;
mod unserved;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use kernel::log::{LogId, Position, Recorded};
use kernel::{Namespace, Result};

use self::keeper::Keeper;
use self::unserved::{Served, Unserved};
use super::{Feed, Feeds};
use crate::event_store::mongodb::MongoDb;
use crate::messaging::cloud_event::{self, Decoded};
use crate::messaging::dead_letter::{DeadLetter, DeadLetterPage, LookError};
use crate::messaging::rabbitmq::{Consumer, DeadLetterPublisher, Delivery, RabbitMq};
use crate::view_store::{Generation, GenerationId};

/// Bytes of the messages that are taken at a time, but for the last one: small orders behind large ones wait
/// until these are applied.
const MAX_TAKEN: usize = 512 << 10;
/// Deliveries of one worker that are not acknowledged: a few batches, so that the next one is always
/// there. A message has up to 64 KiB, so these are 4 MiB; one of a commit that is larger has up to some
/// 1 MiB, in a log that is older than the bounds of orders. They are bounded in number, as RabbitMQ does
/// not bound them in bytes: it refuses any `prefetch-size` but 0, and where the queue is a quorum queue,
/// the number can't be changed for a consumer that is there.
const PREFETCH: u16 = 64;

/// Takes events from a queue, and settles the messages that brought them.
struct Queue {
    consumer: Consumer,
    log: LogId,
    /// Deliveries of events that were handed out and are not acknowledged, ascending.
    handed_out: Vec<u64>,
    /// Deliveries that are acknowledged once their dead letters are kept.
    waiting: BTreeSet<u64>,
    dead_letters: Keeper,
    served: Served,
}

impl Queue {
    fn new(consumer: Consumer, log: LogId, broker: &RabbitMq, unserved: Arc<Unserved>) -> Self {
        let dead_letters =
            Keeper::start(DeadLetterPublisher::new(broker), consumer.queue().to_owned());
        let served = Served::new(unserved, consumer.queue());
        Self { consumer, log, handed_out: vec![], waiting: BTreeSet::new(), dead_letters, served }
    }

    /// Adds the events of a delivery. What is none is kept elsewhere meanwhile; the events do not wait
    /// for it. Returns the bytes of the delivery.
    fn read(&mut self, delivery: &Delivery, events: &mut Vec<Recorded>) -> usize {
        let Decoded { events: read, rejected } = cloud_event::decode(&delivery.body, &self.log);
        if !rejected.is_empty() {
            tracing::warn!(parts = rejected.len(), "keeping what is no event as dead letters");
            self.dead_letters.keep(delivery.tag, rejected);
        }
        match read.is_empty() {
            true => drop(self.waiting.insert(delivery.tag)),
            false => self.handed_out.push(delivery.tag),
        }
        events.extend(read);
        delivery.body.len()
    }

    /// The dead letters of a delivery are kept. Its events may still be with the worker.
    async fn kept(&mut self, tag: u64) -> Result<()> {
        match self.waiting.remove(&tag) {
            true => self.consumer.ack(tag, false).await,
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Feed for Queue {
    async fn next(&mut self, limit: usize) -> Result<Vec<Recorded>> {
        loop {
            let first = tokio::select! {
                delivery = self.consumer.next() => delivery?,
                tag = self.dead_letters.kept() => {
                    self.kept(tag?).await?;
                    continue;
                }
                () = self.served.is_doubted() => {
                    self.served.look(&self.consumer).await?;
                    continue;
                }
            };
            self.served.delivered();
            let mut events = vec![];
            let mut bytes = self.read(&first, &mut events);
            while events.len() < limit
                && bytes < MAX_TAKEN
                && let Some(delivery) = self.consumer.ready()?
            {
                bytes += self.read(&delivery, &mut events);
            }
            // A message without events is acknowledged when it is kept.
            if !events.is_empty() {
                return Ok(events);
            }
        }
    }

    async fn ack(&mut self) -> Result<()> {
        let handed_out = std::mem::take(&mut self.handed_out);
        let Some(last) = handed_out.last().copied() else { return Ok(()) };
        if !self.dead_letters.is_keeping_up_to(last) {
            return self.consumer.ack(last, true).await;
        }
        // One whose dead letters are not kept yet may not be acknowledged with the others.
        for tag in handed_out {
            match self.dead_letters.is_keeping(tag) {
                true => drop(self.waiting.insert(tag)),
                false => self.consumer.ack(tag, false).await?,
            }
        }
        Ok(())
    }
}

/// Feeds that are queues, one for each generation, shared by all its workers.
///
/// A queue that the broker does not serve any more confirms nothing, and so holds up the exchange. It
/// is deleted; the next worker declares it anew, and the healer brings in what it held.
pub struct Queues {
    broker: RabbitMq,
    /// Which queues there are.
    store: MongoDb,
    namespace: Namespace,
    unserved: Arc<Unserved>,
}

impl Queues {
    /// The queues of a namespace, recorded in `store`.
    pub fn new(broker: RabbitMq, store: MongoDb, namespace: Namespace) -> Self {
        Self { broker, store, namespace, unserved: Arc::default() }
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
        let queue = generation.id.queue(&self.namespace);
        self.delete_unserved(&queue).await;
        self.store.record_queue(&queue).await?;
        let declared = self.broker.connect_consumer().await?.declare(&queue).await;
        declared.inspect_err(|_| self.unserved.used_in_vain(&queue))
    }

    async fn subscribe(&self, generation: &Generation, _: Position) -> Result<Box<dyn Feed>> {
        let queue = generation.id.queue(&self.namespace);
        self.delete_unserved(&queue).await;
        self.store.record_queue(&queue).await?;
        let connection = self.broker.connect_consumer().await?;
        let consumer = connection.consume(&queue, PREFETCH).await;
        let consumer = consumer.inspect_err(|_| self.unserved.used_in_vain(&queue))?;
        let log = generation.log.clone();
        Ok(Box::new(Queue::new(consumer, log, &self.broker, self.unserved.clone())))
    }

    async fn waiting(&self, generation: &Generation) -> Result<Option<u32>> {
        self.broker.waiting(&generation.id.queue(&self.namespace)).await
    }

    async fn close(&self, generation: &GenerationId) -> Result<()> {
        let queue = generation.queue(&self.namespace);
        self.broker.delete(&queue).await?;
        self.store.forget_queue(&queue).await
    }

    async fn opened(&self) -> Result<Vec<GenerationId>> {
        let queues = self.store.queues().await?;
        let generation = |queue: &String| GenerationId::of_queue(queue, &self.namespace);
        Ok(queues.iter().filter_map(generation).collect())
    }

    async fn dead_letters(&self, limit: usize) -> Result<DeadLetterPage, LookError> {
        self.broker.dead_letters(limit).await
    }

    async fn find_dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, LookError> {
        self.broker.find_dead_letter(id).await
    }

    async fn discard_dead_letter(&self, id: &str) -> Result<bool, LookError> {
        self.broker.discard_dead_letter(id).await
    }

    async fn count_dead_letters(&self) -> Result<Option<u32>> {
        self.broker.count_dead_letters().await
    }
}
