//! What every feed keeps to: the queue of a generation and a cursor over the log.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kernel::Timestamp;
use kernel::log::{Commit, Entry, Event, LogId, Meta, Recorded, StreamName};
use shared::event_store::EventStore;
use shared::feed::cursor::Cursors;
use shared::feed::queue::Queues;
use shared::feed::{Feed, Feeds};
use shared::messaging::cloud_event::{CONTENT_TYPE, CloudEvent, source};
use shared::messaging::dead_letter::DeadLetterPage;
use shared::messaging::rabbitmq::Message;
use shared::service::liveness::{Liveness, Work};
use shared::view_store::Generation;
use tests::stores::TempDir;
use tests::{Own, until};
use tokio::time::timeout;
use uuid::Uuid;

/// An adapter under test, and how events get to it.
#[async_trait]
pub trait Subject: Send + Sync {
    fn feeds(&self) -> &dyn Feeds;
    fn generation(&self) -> &Generation;
    /// Makes so many events of about so many bytes available, one commit each, in this order.
    async fn append_large(&self, from: i64, count: i64, bytes: usize);

    /// The same, of small events.
    async fn append(&self, from: i64, count: i64) {
        self.append_large(from, count, 1).await;
    }
}

pub fn commit(position: i64) -> Commit {
    large(position, 1)
}

/// Of publishing for a test.
pub fn work() -> Work {
    Liveness::default().work("publishing")
}

fn large(position: i64, bytes: usize) -> Commit {
    let event = Event {
        id: Uuid::now_v7(),
        kind: "Happened".to_owned(),
        schema: 1,
        data: serde_json::json!({ "number": position, "text": "x".repeat(bytes) }).into(),
    };
    Commit {
        position,
        stream: StreamName::new("thing", Uuid::from_u128(position as u128)),
        from: 1,
        to: 1,
        events: vec![event],
        at: Timestamp::now(),
        meta: Meta { correlation: "c".to_owned(), ..Meta::default() },
        key: None,
        fingerprint: String::new(),
    }
}

pub struct OfQueue {
    pub own: Own,
    pub feeds: Queues,
    pub generation: Generation,
}

#[async_trait]
impl Subject for OfQueue {
    fn feeds(&self) -> &dyn Feeds {
        &self.feeds
    }

    fn generation(&self) -> &Generation {
        &self.generation
    }

    async fn append_large(&self, from: i64, count: i64, bytes: usize) {
        let source = source(&self.own.namespace, &self.generation.log);
        let message = |position| {
            let event = large(position, bytes).recorded().next().unwrap();
            let event = CloudEvent::new(event, &source);
            Message {
                traceparent: None,
                id: event.id.to_string(),
                kind: event.r#type.to_string(),
                content_type: CONTENT_TYPE,
                timestamp: 0,
                body: serde_json::to_vec(&event).unwrap(),
            }
        };
        let messages: Vec<Message> = (from..from + count).map(message).collect();
        let publisher = self.own.rabbitmq().publisher().await.unwrap();
        publisher.publish(&messages, &work()).await.unwrap();
        publisher.close().await;
    }
}

struct OfCursor {
    store: Arc<dyn EventStore>,
    feeds: Cursors,
    generation: Generation,
}

#[async_trait]
impl Subject for OfCursor {
    fn feeds(&self) -> &dyn Feeds {
        &self.feeds
    }

    fn generation(&self) -> &Generation {
        &self.generation
    }

    async fn append_large(&self, from: i64, count: i64, bytes: usize) {
        let commits = (from..from + count).map(|position| large(position, bytes));
        let entries: Vec<Entry> = commits.map(Entry::Commit).collect();
        self.store.insert(&entries).await.unwrap();
    }
}

/// For an event that is there.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// Positions of the next `count` events, which the caller acknowledges.
pub async fn take(feed: &mut dyn Feed, count: usize) -> Vec<i64> {
    let mut taken: Vec<Recorded> = vec![];
    while taken.len() < count {
        let next = timeout(MAX_WAIT, feed.next(count - taken.len())).await;
        let events = next.expect("more than was taken so far").unwrap();
        assert!(!events.is_empty() && events.len() <= count - taken.len());
        taken.extend(events);
    }
    taken.iter().map(|event| event.position).collect()
}

async fn events_come_in_log_order_within_the_limit(subject: &dyn Subject) {
    subject.feeds().open(subject.generation()).await.unwrap();
    subject.append(1, 300).await;
    let mut feed = subject.feeds().subscribe(subject.generation(), 0).await.unwrap();
    for first in (1..300).step_by(60) {
        assert_eq!(take(feed.as_mut(), 60).await, (first..first + 60).collect::<Vec<_>>());
        feed.ack().await.unwrap();
    }
}

async fn what_is_taken_at_a_time_is_bounded_in_bytes(subject: &dyn Subject) {
    const EVENTS: i64 = 20;
    const BYTES: usize = 500 << 10;
    const MOST: usize = (2 << 20) + BYTES;
    let (feeds, generation) = (subject.feeds(), subject.generation());
    feeds.open(generation).await.unwrap();
    subject.append_large(1, EVENTS, BYTES).await;
    let mut feed = feeds.subscribe(generation, 0).await.unwrap();
    until("all of it is there to be taken", || async {
        let waiting = feeds.waiting(generation).await.unwrap();
        waiting.is_none_or(|waiting| waiting == 0).then_some(())
    })
    .await;
    let (mut taken, mut batches) = (vec![], vec![]);
    while taken.len() < EVENTS as usize {
        let next = timeout(MAX_WAIT, feed.next(1_000)).await;
        let events = next.expect("more than was taken so far").unwrap();
        batches.push(events.len() * BYTES);
        taken.extend(events.iter().map(|event| event.position));
    }
    feed.ack().await.unwrap();
    assert_eq!(taken, (1..=EVENTS).collect::<Vec<_>>());
    assert!(batches.iter().all(|bytes| *bytes <= MOST), "{batches:?}");
}

async fn a_feed_waits_for_what_is_not_there_yet(subject: &dyn Subject) {
    subject.feeds().open(subject.generation()).await.unwrap();
    let mut feed = subject.feeds().subscribe(subject.generation(), 0).await.unwrap();
    let (taken, ()) = tokio::join!(take(feed.as_mut(), 3), subject.append(1, 3));
    assert_eq!(taken, [1, 2, 3]);
    feed.ack().await.unwrap();
}

async fn what_was_not_acknowledged_comes_again(subject: &dyn Subject) {
    subject.feeds().open(subject.generation()).await.unwrap();
    subject.append(1, 10).await;
    let mut feed = subject.feeds().subscribe(subject.generation(), 0).await.unwrap();
    assert_eq!(take(feed.as_mut(), 4).await, [1, 2, 3, 4]);
    feed.ack().await.unwrap();
    assert_eq!(take(feed.as_mut(), 3).await, [5, 6, 7]);
    drop(feed);
    let mut feed = subject.feeds().subscribe(subject.generation(), 4).await.unwrap();
    assert_eq!(take(feed.as_mut(), 6).await, [5, 6, 7, 8, 9, 10]);
    feed.ack().await.unwrap();
}

async fn opening_twice_and_closing_twice_are_fine(subject: &dyn Subject) {
    for _ in 0..2 {
        subject.feeds().open(subject.generation()).await.unwrap();
    }
    for _ in 0..2 {
        subject.feeds().close(&subject.generation().id).await.unwrap();
    }
}

async fn without_dead_letters_there_is_nothing_to_see_or_discard(subject: &dyn Subject) {
    subject.feeds().open(subject.generation()).await.unwrap();
    subject.append(1, 1).await;
    let mut feed = subject.feeds().subscribe(subject.generation(), 0).await.unwrap();
    assert_eq!(take(feed.as_mut(), 1).await, [1]);
    assert_eq!(subject.feeds().dead_letters(10).await.unwrap(), DeadLetterPage::default());
    assert_eq!(subject.feeds().find_dead_letter("x").await.unwrap(), None);
    assert!(!subject.feeds().discard_dead_letter("x").await.unwrap());
}

pub async fn of_queue() -> OfQueue {
    let own = Own::default();
    let feeds = Queues::new(own.rabbitmq(), own.mongodb().await, own.namespace.clone());
    OfQueue { feeds, own, generation: Generation::new(LogId::random(), 1) }
}

pub async fn remove(subject: OfQueue) {
    subject.feeds.close(&subject.generation.id).await.unwrap();
    subject.own.remove().await;
}

macro_rules! contract {
    ($($test:ident)*) => {
        mod queue {
            use super::*;
            $(#[tokio::test]
            async fn $test() {
                let subject = of_queue().await;
                super::$test(&subject).await;
                remove(subject).await;
            })*
        }

        mod cursor {
            use super::*;
            $(#[tokio::test]
            async fn $test() {
                let folder = TempDir::default();
                let store: Arc<dyn EventStore> = Arc::new(folder.sqlite());
                let generation = Generation::new(store.log_id().await.unwrap(), 1);
                let feeds = Cursors(store.clone());
                super::$test(&OfCursor { store, feeds, generation }).await;
            })*
        }
    };
}

contract! {
    events_come_in_log_order_within_the_limit
    what_is_taken_at_a_time_is_bounded_in_bytes
    a_feed_waits_for_what_is_not_there_yet
    what_was_not_acknowledged_comes_again
    opening_twice_and_closing_twice_are_fine
    without_dead_letters_there_is_nothing_to_see_or_discard
}

#[tokio::test]
async fn a_cursor_waits_at_a_hole() {
    let folder = TempDir::default();
    let store: Arc<dyn EventStore> = Arc::new(folder.sqlite());
    let generation = Generation::new(store.log_id().await.unwrap(), 1);
    let subject = OfCursor { feeds: Cursors(store.clone()), store: store.clone(), generation };
    subject.append(1, 1).await;
    subject.append(3, 1).await;
    let mut feed = subject.feeds.subscribe(&subject.generation, 0).await.unwrap();
    assert_eq!(take(feed.as_mut(), 1).await, [1]);
    {
        let mut next = std::pin::pin!(feed.next(10));
        assert!(futures::poll!(&mut next).is_pending());
        subject.append(2, 1).await;
        assert_eq!(
            next.await.unwrap().iter().map(|event| event.position).collect::<Vec<_>>(),
            [2, 3]
        );
    }
}

#[tokio::test]
async fn publishing_to_no_queue_is_an_error_and_not_a_loss() {
    let own = Own::default();
    let publisher = own.rabbitmq().publisher().await.unwrap();
    let message = Message {
        traceparent: None,
        id: "x".to_owned(),
        kind: "y".to_owned(),
        timestamp: 0,
        content_type: CONTENT_TYPE,
        body: vec![],
    };
    let refused = publisher.publish(&[message], &work()).await.expect_err("nothing is bound");
    assert!(refused.to_string().contains("no queue is bound"), "{refused}");
    own.remove().await;
}
