//! What is looked at, filled and cleared on the servers beside a measurement.

use std::time::Duration;

use futures::StreamExt as _;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use mongodb::bson::{Document, doc};
use redis::aio::MultiplexedConnection;
use serde_json::value::RawValue;

use super::batch::Batch;
use super::order::{Event, sample};
use super::relay::{bind, chunks, connect, open};
use super::{CHUNK, Servers};
use crate::Result;
use crate::load::Ids;

/// For what Redis is asked here.
const REDIS_TIMEOUT: Duration = Duration::from_secs(60);
/// Messages that are published or consumed at a time.
const WINDOW: usize = 256;

#[derive(Clone)]
pub struct Stores {
    servers: Servers,
    mongodb: mongodb::Client,
    redis: MultiplexedConnection,
}

impl Stores {
    pub async fn connect(servers: &Servers) -> Result<Self> {
        let mongodb = mongodb::Client::with_uri_str(&servers.mongodb).await?;
        let redis = redis::Client::open(servers.redis.as_str())?;
        let mut redis = redis.get_multiplexed_async_connection().await?;
        redis.set_response_timeout(REDIS_TIMEOUT);
        Ok(Self { servers: servers.clone(), mongodb, redis })
    }

    /// The same servers, other names.
    pub fn named(&self, namespace: &str) -> Self {
        let servers = Servers { namespace: namespace.to_owned(), ..self.servers.clone() };
        Self { servers, ..self.clone() }
    }

    pub fn servers(&self) -> &Servers {
        &self.servers
    }

    fn database(&self) -> mongodb::Database {
        self.mongodb.database(&self.servers.namespace)
    }

    /// Removes everything that a measurement left, with these queues.
    pub async fn clear(&self, queues: &[String]) -> Result<()> {
        self.database().drop().await?;
        redis::cmd("FLUSHALL").query_async::<()>(&mut self.redis.clone()).await?;
        let exchange = self.servers.exchange();
        let (connection, channel) = open(&self.servers.rabbitmq, &exchange).await?;
        for queue in queues.iter().chain([&self.servers.queue()]) {
            channel.queue_delete(queue.as_str().into(), Default::default()).await?;
        }
        channel.exchange_delete(exchange.into(), Default::default()).await?;
        connection.close(200, "done".into()).await?;
        Ok(())
    }

    /// Commits in the log.
    pub async fn commits(&self) -> Result<u64> {
        let commits = self.database().collection::<Document>("commits");
        Ok(commits.count_documents(doc! { "_id": { "$gt": 0 } }).await?)
    }

    /// The highest position of the log.
    pub async fn head(&self) -> Result<i64> {
        let commits = self.database().collection::<Document>("commits");
        let last = commits.find_one(doc! {}).sort(doc! { "_id": -1 }).await?;
        Ok(last.and_then(|last| last.get_i64("_id").ok()).unwrap_or(0))
    }

    /// The position up to which Waybill's relay has published.
    pub async fn relayed(&self) -> Result<i64> {
        let control = self.database().collection::<Document>("control");
        let found = control.find_one(doc! { "_id": { "$regex": "^relayed/" } }).await?;
        Ok(found.and_then(|found| found.get_i64("position").ok()).unwrap_or(0))
    }

    /// Positions, orders in the list and orders counted, in the views of the raw worker.
    pub async fn raw_views(&self) -> Result<(i64, u64, u64)> {
        let namespace = &self.servers.namespace;
        let mut ask = redis::pipe();
        ask.cmd("GET").arg(format!("{namespace}:applied"));
        ask.cmd("ZCARD").arg(format!("{namespace}:list:orders"));
        ask.cmd("HGET").arg(format!("{namespace}:record:stats")).arg("orders");
        let found: (Option<i64>, u64, Option<u64>) =
            ask.query_async(&mut self.redis.clone()).await?;
        Ok((found.0.unwrap_or(0), found.1, found.2.unwrap_or(0)))
    }

    /// Puts so many events into the raw worker's queue.
    pub async fn fill_queue(&self, events: u64) -> Result<()> {
        let publisher = connect(&self.servers).await?;
        let (ids, step) = (Ids::new(1), (WINDOW * CHUNK) as u64);
        for from in (0..events).step_by(WINDOW * CHUNK) {
            let numbers = from..events.min(from + step);
            let some: Vec<String> =
                numbers.map(|number| sample(&ids, number)).collect::<Result<_>>()?;
            publisher.publish(&chunks(&some, CHUNK)).await?;
        }
        Ok(())
    }

    /// Writes the views of so many orders, as the raw worker would, with the ids of this seed.
    pub async fn fill_views(&self, orders: u64, seed: u64) -> Result<()> {
        let script = redis::Script::new(include_str!("batch.lua"));
        script.load_async(&mut self.redis.clone()).await?;
        let ids = Ids::new(seed);
        for from in (0..orders).step_by(WINDOW) {
            let mut batch = Batch::default();
            for number in from..orders.min(from + WINDOW as u64) {
                let json = sample(&ids, number)?;
                let event: Event<'_> = serde_json::from_str(&json)?;
                batch.add(&event)?;
            }
            let call = batch.call(&script, &self.servers.namespace);
            call.query_async::<Vec<i64>>(&mut self.redis.clone()).await?;
        }
        Ok(())
    }

    /// Binds a queue to the exchange, beside Waybill's.
    pub async fn bind(&self) -> Result<()> {
        let exchange = self.servers.exchange();
        let (connection, channel) = open(&self.servers.rabbitmq, &exchange).await?;
        bind(&channel, &exchange, &self.servers.queue()).await?;
        connection.close(200, "done".into()).await?;
        Ok(())
    }

    /// Takes what is in that queue; returns how many events there were, in how many messages.
    pub async fn take_all(&self) -> Result<(u64, u64)> {
        let (connection, channel) = open(&self.servers.rabbitmq, &self.servers.exchange()).await?;
        let queue = lapin::types::ShortString::from(self.servers.queue());
        let passive = lapin::options::QueueDeclareOptions { passive: true, ..Default::default() };
        let found = channel.queue_declare(queue.clone(), passive, FieldTable::default()).await?;
        let waiting = u64::from(found.message_count());
        channel.basic_qos(WINDOW as u16, BasicQosOptions::default()).await?;
        let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
        let mut consumer = channel.basic_consume(queue, "".into(), options, none).await?;
        let (mut events, mut messages) = (0, 0);
        while messages < waiting {
            let delivery = consumer.next().await.ok_or("the broker ended the consumer")??;
            messages += 1;
            events += match delivery.data.first() {
                Some(b'[') => {
                    serde_json::from_slice::<Vec<&RawValue>>(&delivery.data)?.len() as u64
                }
                _ => 1,
            };
            if messages % 64 == 0 || messages == waiting {
                let all = BasicAckOptions { multiple: true };
                channel.basic_ack(delivery.delivery_tag, all).await?;
            }
        }
        connection.close(200, "done".into()).await?;
        Ok((events, messages))
    }
}
