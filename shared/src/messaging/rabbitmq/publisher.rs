//! Publishing with confirms.

use std::collections::VecDeque;
use std::time::Duration;

use futures::future::join_all;
use kernel::{Failure, Result};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ExchangeKind};

use super::{ANSWER_TIMEOUT, close, failure, in_time};
use crate::service::failpoint;
use crate::service::liveness::Work;
use crate::service::metrics::Counter;

const WHAT: &str = "publishing";
/// How long the broker may take to say that the exchange is there.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// Messages that count as not published, and are published again.
pub static UNPUBLISHED: Counter = Counter::by(
    "waybill_unpublished_messages_total",
    "Messages that were not taken: returned for want of a queue, refused, or not confirmed in time.",
    &["why"],
    &["returned", "refused", "unconfirmed"],
);

/// One message, ready to be published.
#[derive(Debug, Clone)]
pub struct Message {
    /// `message_id`.
    pub id: String,
    /// `type`.
    pub kind: String,
    /// Seconds since 1970.
    pub timestamp: u64,
    /// `content_type`.
    pub content_type: &'static str,
    /// Header `traceparent`: of the first of its events that has one.
    pub traceparent: Option<String>,
    /// The payload.
    pub body: Vec<u8>,
}

/// Publishes to the exchange. After any error it is of no use any more.
pub struct Publisher {
    exchange: String,
    channel: Channel,
    connection: Connection,
}

impl Publisher {
    pub(super) async fn new(
        exchange: String,
        connection: Connection,
        channel: Channel,
    ) -> Result<Self> {
        confirm_select(&channel).await?;
        Ok(Self { exchange, channel, connection })
    }

    /// Publishes the messages in their order and waits until the broker has confirmed every one:
    /// all queues that are bound hold them durably. `work` gets on with each confirm: a broker that is slow
    /// may take long for all of them.
    pub async fn publish(&self, messages: &[Message], work: &Work) -> Result<()> {
        let messages = messages.iter().map(|message| (properties(message), &message.body[..]));
        match publish(&self.channel, &self.exchange, "", messages, work).await? {
            0 => Ok(()),
            _ => Err(Failure::transient(
                WHAT,
                format!(
                    "no queue is bound to the exchange {}: start a projector, which binds its own",
                    self.exchange
                ),
            )),
        }
    }

    /// Asks whether the exchange is there, so that a broker that hangs is noticed without a message.
    pub async fn ask(&self) -> Result<()> {
        const WHAT: &str = "asking for the exchange";
        let passive = ExchangeDeclareOptions { passive: true, ..Default::default() };
        let asked = self.channel.exchange_declare(
            self.exchange.as_str().into(),
            ExchangeKind::Fanout,
            passive,
            FieldTable::default(),
        );
        let late = || format!("no answer in {} s", ASK_TIMEOUT.as_secs());
        match tokio::time::timeout(ASK_TIMEOUT, asked).await {
            Ok(there) => there.map_err(failure(WHAT)),
            Err(_) => Err(Failure::transient(WHAT, late())),
        }
    }

    /// Closes the connection; errors are ignored, as all that was confirmed is kept.
    pub async fn close(self) {
        close(self.connection).await;
    }
}

pub(super) async fn confirm_select(channel: &Channel) -> Result<()> {
    in_time("asking for confirms", channel.confirm_select(ConfirmSelectOptions::default())).await
}

/// Publishes in this order and waits for all confirms, each of which is progress of `work`; tells how many
/// messages no queue took.
pub(super) async fn publish<'a>(
    channel: &Channel,
    exchange: &str,
    key: &str,
    messages: impl Iterator<Item = (BasicProperties, &'a [u8])>,
    work: &Work,
) -> Result<usize> {
    let (exchange, key) = (ShortString::from(exchange), ShortString::from(key));
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    // Polled in order, so they go out in order.
    let sends = messages.map(|(properties, body)| {
        channel.basic_publish(exchange.clone(), key.clone(), options, body, properties)
    });
    failpoint::hit("publish.before");
    let sent = tokio::time::timeout(ANSWER_TIMEOUT, join_all(sends)).await;
    failpoint::hit("publish.after");
    let sent = sent.map_err(|_| Failure::transient(WHAT, "the broker takes no messages"))?;
    let confirms =
        sent.into_iter().collect::<lapin::Result<VecDeque<_>>>().map_err(failure(WHAT))?;
    all_confirmed(confirms, work).await
}

/// Waits for the confirms, 20 s for each. All of them have no deadline together: with one, a broker that takes
/// longer than that would get the same messages again and again.
async fn all_confirmed<F: Future<Output = lapin::Result<Confirmation>>>(
    mut confirms: VecDeque<F>,
    work: &Work,
) -> Result<usize> {
    let mut returned = 0_usize;
    let half = confirms.len() / 2;
    while let Some(confirm) = confirms.pop_front() {
        if confirms.len() == half {
            failpoint::hit("confirm.before");
        }
        // A return may be attached to another message's confirm, but to one of this run's.
        let answer = in_time(WHAT, confirm).await;
        let unconfirmed = || UNPUBLISHED.add_to("unconfirmed", confirms.len() + 1);
        match answer.inspect_err(|_| unconfirmed())? {
            Confirmation::Ack(None) => {}
            Confirmation::Ack(Some(_)) => returned += 1,
            Confirmation::Nack(_) => {
                UNPUBLISHED.add_to("refused", 1);
                return Err(Failure::transient(WHAT, "the broker refused a message"));
            }
            Confirmation::NotRequested => {
                return Err(Failure::transient(WHAT, "the channel does not confirm"));
            }
        }
        work.progress();
    }
    failpoint::hit("confirm.after");
    UNPUBLISHED.add_to("returned", returned);
    Ok(returned)
}

fn properties(message: &Message) -> BasicProperties {
    let mut headers = FieldTable::default();
    if let Some(traceparent) = &message.traceparent {
        headers.insert("traceparent".into(), AMQPValue::LongString(traceparent.as_str().into()));
    }
    BasicProperties::default()
        .with_headers(headers)
        .with_message_id(message.id.as_str().into())
        .with_type(message.kind.as_str().into())
        .with_timestamp(message.timestamp)
        .with_content_type(message.content_type.into())
        .with_app_id("waybill".into())
        .with_delivery_mode(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::liveness::Liveness;

    #[tokio::test]
    async fn each_confirm_is_progress_before_the_next_one_comes() {
        let liveness = &Liveness::with_patience(Duration::ZERO);
        let work = &liveness.work("publishing");
        let is_under_way = || liveness.stuck().contains_key("publishing");
        let confirm = |_| async move {
            assert!(is_under_way(), "the confirm before was no progress");
            work.rest();
            Ok(Confirmation::Ack(None))
        };
        let confirms = (0..3).map(confirm).collect();
        assert_eq!(all_confirmed(confirms, work).await.unwrap(), 0);
        assert!(is_under_way(), "the last one was no progress");
    }
}
