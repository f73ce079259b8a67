//! Publishing what is written: chunks, each round's confirms awaited together.

use std::rc::Rc;
use std::time::Duration;

use futures::future::join_all;
use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind,
};

use super::flow::Flow;
use super::{CHUNK, Pace, Servers};
use crate::Result;

/// Bytes of a message at most.
const CHUNK_BYTES: usize = 64 << 10;

/// A channel with confirms to an exchange that has a quorum queue.
pub struct Publisher {
    _connection: Connection,
    pub channel: Channel,
    exchange: ShortString,
}

/// A connection, with the exchange there.
pub async fn open(url: &str, exchange: &str) -> Result<(Connection, Channel)> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
    let none = FieldTable::default();
    channel.exchange_declare(exchange.into(), ExchangeKind::Fanout, durable, none).await?;
    Ok((connection, channel))
}

/// Declares a quorum queue and binds it to the exchange.
pub async fn bind(channel: &Channel, exchange: &str, queue: &str) -> Result<()> {
    let mut quorum = FieldTable::default();
    quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(queue.into(), durable, quorum).await?;
    let options = QueueBindOptions::default();
    channel
        .queue_bind(queue.into(), exchange.into(), "".into(), options, FieldTable::default())
        .await?;
    Ok(())
}

pub async fn connect(servers: &Servers) -> Result<Publisher> {
    let exchange = servers.exchange();
    let (connection, channel) = open(&servers.rabbitmq, &exchange).await?;
    bind(&channel, &exchange, &servers.queue()).await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(Publisher { _connection: connection, channel, exchange: exchange.into() })
}

impl Publisher {
    /// Publishes messages and waits until the broker holds every one durably.
    pub async fn publish(&self, bodies: &[Vec<u8>]) -> Result<()> {
        let properties = BasicProperties::default()
            .with_content_type("application/cloudevents-batch+json".into())
            .with_delivery_mode(2);
        let options = BasicPublishOptions::default();
        let sends = bodies.iter().map(|body| {
            let (exchange, properties) = (self.exchange.clone(), properties.clone());
            self.channel.basic_publish(exchange, "".into(), options, body, properties)
        });
        for sent in join_all(sends).await {
            if !matches!(sent?.await?, Confirmation::Ack(None)) {
                return Err("the broker did not take a message".into());
            }
        }
        Ok(())
    }
}

/// Messages of as many events as may be in one, each a JSON array.
pub fn chunks(events: &[String], most: usize) -> Vec<Vec<u8>> {
    let mut messages: Vec<Vec<u8>> = vec![];
    let mut room = 0;
    for event in events {
        match messages.last_mut().filter(|last| room > 0 && last.len() + event.len() < CHUNK_BYTES)
        {
            Some(last) => {
                last.pop();
                last.push(b',');
                last.extend_from_slice(event.as_bytes());
                last.push(b']');
                room -= 1;
            }
            None => {
                let mut message = Vec::with_capacity(event.len() * most.min(CHUNK) + CHUNK);
                message.push(b'[');
                message.extend_from_slice(event.as_bytes());
                message.push(b']');
                messages.push(message);
                room = most - 1;
            }
        }
    }
    messages
}

pub async fn run(flow: Rc<Flow>, publisher: Publisher, pause: Duration) -> Result<()> {
    let mut pace = Pace::new(pause);
    loop {
        while flow.written.borrow().is_empty() {
            flow.to_publish.notified().await;
        }
        pace.next().await;
        let events = std::mem::take(&mut *flow.written.borrow_mut());
        publisher.publish(&chunks(&events, CHUNK)).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_hold_every_event_once_and_are_json() {
        let events: Vec<String> = (0..150).map(|number| number.to_string()).collect();
        let messages = chunks(&events, 64);
        assert_eq!(messages.len(), 3);
        let read: Vec<i64> = messages
            .iter()
            .flat_map(|message| serde_json::from_slice::<Vec<i64>>(message).unwrap())
            .collect();
        assert_eq!(read, (0..150).collect::<Vec<_>>());
        let large = vec![format!("\"{}\"", "x".repeat(40 << 10)); 2];
        assert_eq!(chunks(&large, 64).len(), 2);
        assert_eq!(chunks(&events, 1).len(), 150);
    }
}
