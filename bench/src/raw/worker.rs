//! The raw chain's worker: consumes, parses, and writes the views of up to 256 streams with one script.

use std::collections::HashSet;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use redis::Script;
use redis::aio::MultiplexedConnection;

use super::batch::Batch;
use super::order::Event;
use super::relay::{bind, open};
use super::{CHUNK, Pace, Servers};
use crate::Result;

/// Events in a batch at most: four full messages.
const BATCH: usize = 4 * CHUNK;
/// Messages that are unsettled at most.
const PREFETCH: u16 = 64;
/// How long a script may take before Redis counts as gone.
const SCRIPT_TIMEOUT: Duration = Duration::from_secs(10);

pub async fn run(servers: Servers, pause: Duration) -> Result<()> {
    let (exchange, queue) = (servers.exchange(), servers.queue());
    let (_connection, channel) = open(&servers.rabbitmq, &exchange).await?;
    bind(&channel, &exchange, &queue).await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
    let mut consumer = channel.basic_consume(queue.into(), "".into(), options, none).await?;
    let mut redis =
        redis::Client::open(servers.redis.as_str())?.get_multiplexed_async_connection().await?;
    redis.set_response_timeout(SCRIPT_TIMEOUT);
    let script = Script::new(include_str!("batch.lua"));
    script.load_async(&mut redis).await?;
    let mut pace = Pace::new(pause);
    loop {
        let mut next = consumer.next().await;
        let (mut bodies, mut last) = (vec![], 0);
        while let Some(delivery) = next {
            let delivery = delivery?;
            last = delivery.delivery_tag;
            bodies.push(delivery.data);
            if bodies.len() == BATCH / CHUNK {
                break;
            }
            let Some(waiting) = consumer.next().now_or_never() else { break };
            next = waiting;
        }
        if bodies.is_empty() {
            return Err("the broker ended the consumer".into());
        }
        let size = apply(&mut redis, &script, &servers.namespace, &bodies).await?;
        channel.basic_ack(last, BasicAckOptions { multiple: true }).await?;
        if size < BATCH / 2 {
            pace.next().await;
        }
    }
}

/// Applies all events whose streams have no view yet; returns how many there were.
async fn apply(
    redis: &mut MultiplexedConnection,
    script: &Script,
    namespace: &str,
    bodies: &[impl AsRef<[u8]>],
) -> Result<usize> {
    let mut known: HashSet<String> = HashSet::new();
    loop {
        let mut batch = Batch::default();
        for body in bodies {
            let events: Vec<Event<'_>> = serde_json::from_slice(body.as_ref())?;
            for event in events.iter().filter(|event| !known.contains(event.subject)) {
                batch.add(event)?;
            }
        }
        if batch.len() == 0 {
            return Ok(0);
        }
        let stale: Vec<usize> = batch.call(script, namespace).query_async(redis).await?;
        if stale.is_empty() {
            return Ok(batch.len());
        }
        // Delivered twice: what is applied already is left out.
        known.extend(stale.iter().filter_map(|index| batch.stream(index - 1)).map(str::to_owned));
    }
}
