//! What the feeds of queues do with messages that are no events.

use kernel::Timestamp;
use shared::feed::Feeds as _;
use shared::messaging::cloud_event::{CONTENT_TYPE, CloudEvent};
use shared::messaging::dead_letter::DeadLetter;
use shared::messaging::rabbitmq::{DeadLetterPublisher, Message};
use tests::until;

use super::feed::{OfQueue, Subject as _, commit, of_queue, remove, take};

/// Publishes these bodies and then event 1, and lets a feed take it all.
async fn with_garbage(bodies: &[&[u8]]) -> OfQueue {
    let subject = of_queue().await;
    subject.feeds.open(&subject.generation).await.unwrap();
    let publisher = subject.own.rabbitmq().publisher().await.unwrap();
    let message = |body: &&[u8]| Message {
        traceparent: None,
        content_type: CONTENT_TYPE,
        id: "x".to_owned(),
        kind: "y".to_owned(),
        timestamp: 0,
        body: body.to_vec(),
    };
    publisher.publish(&bodies.iter().map(message).collect::<Vec<_>>()).await.unwrap();
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
