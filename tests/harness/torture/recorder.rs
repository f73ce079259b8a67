//! A subscriber of the test's own: keeps every message that the exchange ever carried.

use lapin::options::{BasicGetOptions, ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection};
use serde_json::Value;

use crate::until::until;

pub struct Recorder {
    url: String,
    queue: String,
}

async fn channel(url: &str) -> Option<(Connection, Channel)> {
    let connection = Connection::connect(url, Default::default()).await.ok()?;
    let channel = connection.create_channel().await.ok()?;
    Some((connection, channel))
}

impl Recorder {
    pub async fn bind(url: &str, namespace: &str) -> Self {
        let (connection, channel) = channel(url).await.expect("RabbitMQ is there");
        let (exchange, queue) = (format!("{namespace}.events"), format!("{namespace}.recorder"));
        let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
        let fanout = lapin::ExchangeKind::Fanout;
        channel
            .exchange_declare(exchange.as_str().into(), fanout, durable, Default::default())
            .await
            .expect("declared");
        let mut quorum = FieldTable::default();
        quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        let durable = QueueDeclareOptions { durable: true, ..Default::default() };
        channel.queue_declare(queue.as_str().into(), durable, quorum).await.expect("declared");
        channel
            .queue_bind(
                queue.as_str().into(),
                exchange.as_str().into(),
                "".into(),
                Default::default(),
                Default::default(),
            )
            .await
            .expect("bound");
        connection.close(200, "".into()).await.expect("closed");
        Self { url: url.to_owned(), queue }
    }

    pub fn queue(&self) -> &str {
        &self.queue
    }

    /// Addresses (position, index) of all messages in the order of their arrival, up to the first
    /// moment when the last event of the log is among them and the queue is empty.
    pub async fn all(&self, last: (i64, u64)) -> Vec<(i64, u64)> {
        let (connection, channel) = until("RabbitMQ is there", || channel(&self.url)).await;
        let (mut addresses, mut may_end) = (vec![], false);
        while let Some(more) = self.next(&channel, may_end).await {
            may_end |= more.contains(&last);
            addresses.extend(more);
        }
        connection.close(200, "".into()).await.expect("closed");
        addresses
    }

    /// The header `traceparent` of the next message, and its events; `None` while there is none.
    pub async fn next_traced(&self) -> Option<(Option<String>, Vec<Value>)> {
        let (connection, channel) = channel(&self.url).await.expect("RabbitMQ is there");
        let got =
            channel.basic_get(self.queue.as_str().into(), BasicGetOptions { no_ack: true }).await;
        let got = got.expect("the queue is there");
        connection.close(200, "".into()).await.expect("closed");
        let delivery = got?.delivery;
        let headers = delivery.properties.headers().as_ref();
        let header = headers.and_then(|headers| match headers.inner().get("traceparent") {
            Some(AMQPValue::LongString(text)) => Some(text.to_string()),
            _ => None,
        });
        Some((header, events(&delivery.data)))
    }

    /// Leaves nothing of it on the broker.
    pub async fn remove(self) {
        let (connection, channel) = channel(&self.url).await.expect("RabbitMQ is there");
        channel
            .queue_delete(self.queue.as_str().into(), Default::default())
            .await
            .expect("deleted");
        connection.close(200, "".into()).await.expect("closed");
    }

    /// The addresses of the events of the next message.
    async fn next(&self, channel: &Channel, may_end: bool) -> Option<Vec<(i64, u64)>> {
        let message = until("the next message is there", || async {
            match channel
                .basic_get(self.queue.as_str().into(), BasicGetOptions { no_ack: true })
                .await
                .expect("RabbitMQ is there")
            {
                Some(message) => Some(Some(message)),
                None => may_end.then_some(None),
            }
        })
        .await?;
        Some(events(&message.delivery.data).iter().map(address).collect())
    }
}

/// The events of a message: one, or an array of them.
pub fn events(body: &[u8]) -> Vec<Value> {
    match serde_json::from_slice(body).expect("JSON") {
        Value::Array(events) => events,
        event => vec![event],
    }
}

/// Position and index.
pub fn address(event: &Value) -> (i64, u64) {
    let position = event["position"].as_str().and_then(|text| text.parse().ok());
    (position.expect("a position"), event["index"].as_u64().expect("an index"))
}
