//! Looks at the dead letters: each takes them out of their queue, and has the broker put them back.

use std::time::Duration;

use kernel::{Failure, Result};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicGetOptions};
use lapin::{Channel, Connection};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::dead_letters::dead_letter;
use super::{RabbitMq, all_in_time, close, count, in_time};
use crate::messaging::dead_letter::{DeadLetter, DeadLetterPage, LookError};

/// One look takes no more than this into memory, but for its last message.
const MAX_PAGE_BYTES: usize = 16 << 20;
/// How long a look waits for those before it.
const TURN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a look goes through the queue.
pub(super) const WALK_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause between two looks whether the broker has put back what a look held.
const PUT_BACK_POLL_INTERVAL: Duration = Duration::from_millis(10);
/// For all of it to be put back. Less may be there for good: another process may have removed some.
const PUT_BACK_TIMEOUT: Duration = Duration::from_secs(5);
const BROWSING: &str = "looking through the dead letters";

/// Looks of this process wait for each other. What another process looks at is not seen meanwhile.
impl RabbitMq {
    /// Up to `limit` of what is kept, fewer where they are large.
    pub(crate) async fn dead_letters(&self, limit: usize) -> Result<DeadLetterPage, LookError> {
        let broker = self.clone();
        self.in_turn(async move {
            let Some(mut walk) = Walk::start(&broker).await? else {
                return Ok(DeadLetterPage::default());
            };
            let page = walk.page(limit).await;
            walk.end(&broker, page).await
        })
        .await
    }

    /// The one with this id.
    pub(crate) async fn find_dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, LookError> {
        let (broker, id) = (self.clone(), id.to_owned());
        self.in_turn(async move {
            let Some(mut walk) = Walk::start(&broker).await? else { return Ok(None) };
            let found = walk.find(&id).await;
            Ok(walk.end(&broker, found).await?.map(dead_letter))
        })
        .await
    }

    /// Removes the one with this id; whether it was there.
    pub(crate) async fn discard_dead_letter(&self, id: &str) -> Result<bool, LookError> {
        let (broker, id) = (self.clone(), id.to_owned());
        self.in_turn(async move {
            let Some(mut walk) = Walk::start(&broker).await? else { return Ok(false) };
            let removed = walk.remove(&id).await;
            walk.end(&broker, removed).await
        })
        .await
    }

    /// How many are kept; `None` while this process looks at them. Takes none out.
    pub(crate) async fn count_dead_letters(&self) -> Result<Option<u32>> {
        let Ok(_turn) = self.looking.try_lock() else { return Ok(None) };
        Ok(Some(self.waiting(&self.dead_letter_queue()).await?.unwrap_or(0)))
    }

    /// Waits for the turn of a look, which then has a task of its own: where the caller waits no longer, the
    /// next look still begins only once the broker has back what this one held.
    async fn in_turn<T: Send + 'static>(
        &self,
        look: impl Future<Output = Result<T, LookError>> + Send + 'static,
    ) -> Result<T, LookError> {
        let turn = timeout(TURN_TIMEOUT, self.looking.clone().lock_owned()).await;
        let turn = turn.map_err(|_| LookError::Busy)?;
        let looked = tokio::spawn(async move {
            let _turn = turn;
            look.await
        });
        looked.await.unwrap_or_else(|error| Err(Failure::transient(BROWSING, error).into()))
    }
}

/// One pass over the queue. It holds what it has seen; what it did not remove goes back at its end,
/// which has to be waited for, however the pass went.
struct Walk {
    queue: String,
    connection: Connection,
    channel: Channel,
    /// What waited at the start: no more is looked at, or with new arrivals it would never end.
    total: u32,
    seen: u32,
    removed: u32,
    /// After it no further message is taken.
    deadline: Instant,
}

impl Walk {
    /// `None` when there is no queue: there was never a dead letter.
    async fn start(broker: &RabbitMq) -> Result<Option<Self>> {
        let begun = async {
            let (connection, channel) = broker.connect("look").await?;
            let queue = broker.dead_letter_queue();
            let Some(total) = count(&channel, &queue).await? else {
                close(connection).await;
                return Ok(None);
            };
            let deadline = Instant::now() + broker.walk_timeout;
            Ok(Some(Self { queue, connection, channel, total, seen: 0, removed: 0, deadline }))
        };
        all_in_time(BROWSING, begun).await
    }

    async fn next(&mut self) -> Result<Option<Delivery>, LookError> {
        if self.seen == self.total {
            return Ok(None);
        }
        self.seen += 1;
        let get = self.channel.basic_get(self.queue.as_str().into(), BasicGetOptions::default());
        let got = timeout_at(self.deadline, in_time(BROWSING, get)).await;
        let got = got.map_err(|_| LookError::TooLong)??;
        // The timeout lets an answer pass that has come by the time of the first look for it.
        if Instant::now() >= self.deadline {
            return Err(LookError::TooLong);
        }
        Ok(got.map(|message| message.delivery))
    }

    async fn page(&mut self, limit: usize) -> Result<DeadLetterPage, LookError> {
        let mut page = DeadLetterPage { items: vec![], total: self.total };
        let mut bytes = 0;
        while page.items.len() < limit && bytes < MAX_PAGE_BYTES {
            let Some(delivery) = self.next().await? else { break };
            bytes += delivery.data.len();
            page.items.push(dead_letter(delivery));
        }
        // What was put back before comes in any order; ids are in that of their arrival.
        page.items.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(page)
    }

    async fn find(&mut self, id: &str) -> Result<Option<Delivery>, LookError> {
        while let Some(delivery) = self.next().await? {
            if delivery.properties.message_id().as_ref().is_some_and(|its| its.as_str() == id) {
                return Ok(Some(delivery));
            }
        }
        Ok(None)
    }

    async fn remove(&mut self, id: &str) -> Result<bool, LookError> {
        let Some(delivery) = self.find(id).await? else { return Ok(false) };
        let one = BasicAckOptions::default();
        in_time(BROWSING, self.channel.basic_ack(delivery.delivery_tag, one)).await?;
        self.removed += 1;
        Ok(true)
    }

    /// Lets go of everything. The broker puts it back a moment after it has answered, or has noticed that the
    /// connection is gone; that is waited for, so that the next look finds it.
    async fn end<T>(self, broker: &RabbitMq, walked: Result<T, LookError>) -> Result<T, LookError> {
        let Self { queue, connection, channel, total, removed, .. } = self;
        let closed = in_time(BROWSING, channel.close(200, "done".into())).await;
        let is_open = closed.is_ok();
        let put_back = async {
            let (connection, channel) = if is_open {
                let channel = in_time(BROWSING, connection.create_channel()).await?;
                (connection, channel)
            } else {
                close(connection).await;
                broker.connect_alone("look").await?
            };
            until_put_back(&channel, &queue, total - removed).await?;
            close(connection).await;
            Ok::<(), Failure>(())
        };
        // All is done by now; it may only be hidden for a moment longer.
        match timeout(PUT_BACK_TIMEOUT, put_back).await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => tracing::debug!(%failure, "not seen to be put back"),
            Err(_) => tracing::debug!("not seen to be put back in time"),
        }
        let walked = walked?;
        closed?;
        Ok(walked)
    }
}

async fn until_put_back(channel: &Channel, queue: &str, left: u32) -> Result<()> {
    while count(channel, queue).await?.is_some_and(|count| count < left) {
        sleep(PUT_BACK_POLL_INTERVAL).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use kernel::Namespace;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_look_ends_without_its_caller_and_the_next_one_waits_for_it_and_not_for_long() {
        let broker = RabbitMq::new("amqp://127.0.0.1:1/%2f", &Namespace::parse("looks").unwrap());
        let (begun, begins) = oneshot::channel();
        let (end, ends) = oneshot::channel::<()>();
        let look = async {
            begun.send(()).unwrap();
            ends.await.unwrap();
            Ok(())
        };
        let caller = broker.clone();
        let caller = tokio::spawn(async move { caller.in_turn(look).await });
        begins.await.unwrap();
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        let (waited, look) = (Instant::now(), async { Ok(()) });
        assert!(matches!(broker.in_turn(look).await, Err(LookError::Busy)));
        assert_eq!(waited.elapsed().as_secs(), TURN_TIMEOUT.as_secs());
        assert!(matches!(broker.count_dead_letters().await, Ok(None)));
        end.send(()).unwrap();
        assert!(broker.in_turn(async { Ok(()) }).await.is_ok());
    }
}
