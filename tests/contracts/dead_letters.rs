//! What the feeds of queues do with messages that are no events.

use std::sync::Arc;
use std::time::Duration;

use kernel::Timestamp;
use kernel::log::LogId;
use lapin::types::{AMQPValue, FieldTable};
use shared::feed::Feeds as _;
use shared::feed::queue::Queues;
use shared::messaging::cloud_event::{CONTENT_TYPE, CloudEvent, source};
use shared::messaging::dead_letter::{DeadLetter, LookError};
use shared::messaging::rabbitmq::{DeadLetterPublisher, Message, RabbitMq};
use shared::view_store::Generation;
use tests::proxy::Proxies;
use tests::services::Urls;
use tests::stores::TempDir;
use tests::{Own, until};
use tokio::time::timeout;
use xtask::servers;

use super::feed::{OfQueue, Subject as _, commit, of_queue, remove, take, work};

/// What the broker has for an answer before a call fails is 20 s: less than that.
const NO_ANSWER: Duration = Duration::from_secs(15);
/// How the frame begins that asks for a message: class 60, method 70.
const BASIC_GET: &str = "\0<\0F";

fn message(body: &[u8]) -> Message {
    Message {
        traceparent: None,
        content_type: CONTENT_TYPE,
        id: "x".to_owned(),
        kind: "y".to_owned(),
        timestamp: 0,
        body: body.to_vec(),
    }
}

/// Publishes these bodies and then event 1, and lets a feed take it all.
async fn with_garbage(bodies: &[&[u8]]) -> OfQueue {
    let subject = of_queue().await;
    subject.feeds.open(&subject.generation).await.unwrap();
    let publisher = subject.own.rabbitmq().publisher().await.unwrap();
    let messages: Vec<Message> = bodies.iter().map(|body| message(body)).collect();
    publisher.publish(&messages, &work()).await.unwrap();
    publisher.close().await;
    subject.append(1, 1).await;
    let mut feed = subject.feeds.subscribe(&subject.generation, 0).await.unwrap();
    assert_eq!(take(feed.as_mut(), 1).await, [1]);
    feed.ack().await.unwrap();
    // It keeps the garbage beside the events, as long as it is asked for more.
    tokio::spawn(async move { while feed.next(100).await.is_ok() {} });
    subject
}

/// All dead letters, once there are so many.
async fn dead_letters(subject: &OfQueue, count: usize) -> Vec<DeadLetter> {
    until("all dead letters are there", || async {
        let page = subject.feeds.dead_letters(1_000).await.unwrap();
        assert!(page.items.len() <= count, "{page:?}");
        (page.items.len() == count && page.total as usize == count).then_some(page.items)
    })
    .await
}

/// What a look finds: on a busy machine those before it may take longer than it waits for them.
async fn in_turn<T, F: Future<Output = Result<T, LookError>>>(mut look: impl FnMut() -> F) -> T {
    until("it is the turn of a look", || {
        let looked = look();
        async move {
            match looked.await {
                Err(LookError::Busy) => None,
                looked => Some(looked.unwrap()),
            }
        }
    })
    .await
}

#[tokio::test]
async fn what_is_no_event_becomes_a_dead_letter_and_does_not_stop_the_rest() {
    let subject = with_garbage(&[b"\xff\x00", b"{}", b""]).await;
    let kept = dead_letters(&subject, 3).await;
    let bodies: Vec<&[u8]> = kept.iter().map(|one| &one.body[..]).collect();
    assert_eq!(bodies, [&b"\xff\x00"[..], b"{}", b""]);
    for one in &kept {
        assert_eq!(one.queue, subject.generation.id.queue(&subject.own.namespace));
        assert!(!one.reason.is_empty());
        let age = Timestamp::now().as_millis() - one.at.as_millis();
        assert!((-1_000..600_000).contains(&age), "{one:?}");
    }
    remove(subject).await;
}

#[tokio::test]
async fn to_look_at_dead_letters_changes_nothing_and_one_is_discarded_alone() {
    let bodies: Vec<String> = (0..40).map(|number| format!("garbage {number}")).collect();
    let bodies: Vec<&[u8]> = bodies.iter().map(String::as_bytes).collect();
    let subject = with_garbage(&bodies).await;
    let mut kept = dead_letters(&subject, 40).await;
    assert_eq!(kept.iter().map(|one| &one.body[..]).collect::<Vec<_>>(), bodies);
    until("a smaller look is one at some of it", || async {
        let page = subject.feeds.dead_letters(7).await.unwrap();
        assert!(page.items.len() <= 7 && page.items.iter().all(|one| kept.contains(one)));
        (page.items.len() == 7 && page.total == 40).then_some(())
    })
    .await;
    assert_eq!(dead_letters(&subject, 40).await, kept);
    let gone = kept.remove(20);
    assert_eq!(subject.feeds.find_dead_letter(&gone.id).await.unwrap(), Some(gone.clone()));
    let discarded = until("it can be discarded", || async {
        subject.feeds.discard_dead_letter(&gone.id).await.unwrap().then_some(true)
    });
    assert!(discarded.await);
    assert_eq!(dead_letters(&subject, 39).await, kept);
    assert!(!subject.feeds.discard_dead_letter(&gone.id).await.unwrap());
    assert_eq!(subject.feeds.find_dead_letter(&gone.id).await.unwrap(), None);
    assert_eq!(dead_letters(&subject, 39).await, kept);
    remove(subject).await;
}

#[tokio::test]
async fn looks_at_the_same_time_hide_nothing_from_each_other() {
    let bodies: Vec<String> = (0..40).map(|number| format!("garbage {number}")).collect();
    let bodies: Vec<&[u8]> = bodies.iter().map(String::as_bytes).collect();
    let subject = with_garbage(&bodies).await;
    let kept = dead_letters(&subject, 40).await;
    let feeds = &subject.feeds;
    let look = || async { in_turn(|| feeds.dead_letters(40)).await.items.len() };
    let (first, one, gone, second, rest) = tokio::join!(
        look(),
        in_turn(|| feeds.find_dead_letter(&kept[5].id)),
        in_turn(|| feeds.discard_dead_letter(&kept[30].id)),
        look(),
        look(),
    );
    assert_eq!((one.as_ref(), gone), (Some(&kept[5]), true));
    assert!([first, second, rest].iter().all(|count| (39..=40).contains(count)));
    remove(subject).await;
}

/// The broker hands the first one to a look that the network has lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_look_whose_caller_has_left_hides_nothing_from_the_next_one() {
    let subject = with_garbage(&[b"one", b"another"]).await;
    let kept = dead_letters(&subject, 2).await;
    let (own, proxies) = (&subject.own, Proxies::before(&Urls::of_the_run()));
    let broker = RabbitMq::new(&proxies.urls().rabbitmq, &own.namespace);
    let feeds = Arc::new(Queues::new(broker, own.mongodb().await, own.namespace.clone()));
    proxies.rabbitmq.lose(BASIC_GET);
    let (left, id) = (feeds.clone(), kept[1].id.clone());
    let caller = tokio::spawn(async move { left.find_dead_letter(&id).await });
    until("it asks for a message", || async { proxies.rabbitmq.has_lost().then_some(()) }).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    assert_eq!(feeds.count_dead_letters().await.unwrap(), None, "it is looked at still");
    proxies.rabbitmq.cut();
    assert_eq!(in_turn(|| feeds.dead_letters(10)).await.items, kept);
    assert_eq!(feeds.count_dead_letters().await.unwrap(), Some(2));
    remove(subject).await;
}

#[tokio::test]
async fn a_look_that_takes_too_long_removes_nothing_and_hides_nothing() {
    let subject = with_garbage(&[b"one", b"another"]).await;
    let (kept, own) = (dead_letters(&subject, 2).await, &subject.own);
    let broker = own.rabbitmq().with_walk_timeout(Duration::ZERO);
    let hasty = Queues::new(broker, own.mongodb().await, own.namespace.clone());
    let id = &kept[0].id;
    assert!(matches!(hasty.dead_letters(10).await, Err(LookError::TooLong)));
    assert!(matches!(hasty.find_dead_letter(id).await, Err(LookError::TooLong)));
    assert!(matches!(hasty.discard_dead_letter(id).await, Err(LookError::TooLong)));
    // No turn of this one's: what was taken is back by now.
    assert_eq!(subject.feeds.dead_letters(10).await.unwrap().items, kept);
    remove(subject).await;
}

#[tokio::test]
async fn a_reason_that_quotes_much_is_cut_and_kept() {
    let mut event = CloudEvent::new(commit(1).recorded().next().unwrap(), "");
    event.source = "ä".repeat(200_000).into();
    let subject = with_garbage(&[&serde_json::to_vec(&event).unwrap()]).await;
    let kept = dead_letters(&subject, 1).await;
    assert!(kept[0].reason.starts_with("it is from ää") && kept[0].reason.ends_with('ä'));
    remove(subject).await;
}

#[tokio::test]
async fn a_queue_of_dead_letters_that_was_declared_otherwise_serves_as_well() {
    let subject = of_queue().await;
    let broker = subject.own.rabbitmq();
    let connection =
        lapin::Connection::connect(&tests::servers::rabbitmq(), Default::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let durable = lapin::options::QueueDeclareOptions { durable: true, ..Default::default() };
    let name = broker.dead_letter_queue();
    channel.queue_declare(name.as_str().into(), durable, Default::default()).await.unwrap();
    connection.close(200, "".into()).await.unwrap();
    DeadLetterPublisher::new(&broker).keep(b"garbage", "no event", "here").await.unwrap();
    let kept = dead_letters(&subject, 1).await;
    assert_eq!((&kept[0].body[..], kept[0].reason.as_str()), (&b"garbage"[..], "no event"));
    remove(subject).await;
}

#[tokio::test]
async fn the_queue_of_dead_letters_is_bound_in_number_and_in_bytes() {
    let subject = with_garbage(&[b"garbage"]).await;
    dead_letters(&subject, 1).await;
    let connection =
        lapin::Connection::connect(&tests::servers::rabbitmq(), Default::default()).await.unwrap();
    let name = subject.own.rabbitmq().dead_letter_queue();
    // The broker refuses to declare it with arguments that are not its own.
    let is_declared_with = async |number: i64, bytes: i64| {
        let text = |text: &str| AMQPValue::LongString(text.into());
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), text("quorum"));
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(1_000_000));
        arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(number));
        arguments.insert("x-max-length-bytes".into(), AMQPValue::LongLongInt(bytes));
        arguments.insert("x-overflow".into(), text("drop-head"));
        let durable = lapin::options::QueueDeclareOptions { durable: true, ..Default::default() };
        let channel = connection.create_channel().await.unwrap();
        channel.queue_declare(name.as_str().into(), durable, arguments).await.is_ok()
    };
    assert!(is_declared_with(100_000, 256 << 20).await);
    assert!(!is_declared_with(100_001, 256 << 20).await);
    assert!(!is_declared_with(100_000, (256 << 20) + 1).await);
    connection.close(200, "".into()).await.unwrap();
    remove(subject).await;
}

/// In an alarm the broker confirms no dead letter. Events beside them are handed out and acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_event_holds_up_no_events_while_the_broker_takes_nothing() {
    let (own, folder) = (Own::default(), TempDir::default());
    let server = servers::RabbitMq::start(&folder.0).unwrap();
    let broker = RabbitMq::new(&server.url(), &own.namespace);
    let feeds = Queues::new(broker.clone(), own.mongodb().await, own.namespace.clone());
    let generation = Generation::new(LogId::random(), 1);
    feeds.open(&generation).await.unwrap();
    let source = source(&own.namespace, &generation.log);
    let event = |position| {
        let event = commit(position).recorded().next().unwrap();
        message(&serde_json::to_vec(&CloudEvent::new(event, &source)).unwrap())
    };
    let garbage = || message(b"garbage");
    let publisher = broker.publisher().await.unwrap();
    let messages = [garbage(), event(1), garbage(), event(2)];
    publisher.publish(&messages, &work()).await.unwrap();
    publisher.close().await;
    server.alarm(true).unwrap();
    let queue = generation.id.queue(&own.namespace);
    let taken = async {
        let mut feed = feeds.subscribe(&generation, 0).await.unwrap();
        assert_eq!(take(feed.as_mut(), 2).await, [1, 2]);
        feed.ack().await.unwrap();
        drop(feed);
        until("the garbage alone is delivered again", || async {
            (broker.waiting(&queue).await.unwrap() == Some(2)).then_some(())
        })
        .await;
    };
    timeout(NO_ANSWER, taken).await.expect("nothing waits for a confirm");
    server.alarm(false).unwrap();
    let mut feed = feeds.subscribe(&generation, 0).await.unwrap();
    let keeping = tokio::spawn(async move { while feed.next(100).await.is_ok() {} });
    until("the garbage is kept", || async {
        // What was sent during the alarm may have arrived as well.
        (feeds.dead_letters(0).await.unwrap().total >= 2).then_some(())
    })
    .await;
    keeping.abort();
    feeds.close(&generation.id).await.unwrap();
    own.remove().await;
}
