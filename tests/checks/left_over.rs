//! What a test leaves in the queues is in the views, or the test fails.

use kernel::projection::Change;
use shared::event_store::EventStore as _;
use shared::feed::Feeds as _;
use shared::feed::queue::Queues;
use shared::messaging::cloud_event::{CloudEvent, source};
use shared::view_store::{Applied, Generation, ViewStore as _};
use tests::{Own, orders, servers};

/// The end of a test whose queue still holds an event.
async fn remove(is_applied: bool) -> Result<(), String> {
    let own = Own::default();
    let (namespace, store, views) = (own.namespace.clone(), own.mongodb().await, own.redis().await);
    let log = store.log_id().await.unwrap();
    let generation = Generation::new(log.clone(), 1);
    assert!(views.begin(&generation).await.unwrap());
    let queues = Queues::new(own.rabbitmq(), store, namespace.clone());
    queues.open(&generation).await.unwrap();
    let stream = orders::stream();
    let commit = orders::commit(1, &stream, 1, &orders::created(&stream, 5));
    let source = source(&namespace, &log);
    let event = CloudEvent::of_commit(&commit, &source).next().expect("an event");
    let message = serde_json::to_vec(&event).unwrap();
    servers::publish(&generation.id.queue(&namespace), &[&message]).await;
    if is_applied {
        let change = Change {
            traceparent: None,
            stream,
            base: 0,
            to: 1,
            position: 1,
            document: b"{}".to_vec(),
            sums: vec![],
            enter: vec![],
            leave: vec![],
            greatest_texts: vec![],
        };
        assert_eq!(views.apply(&generation.id, &[change]).await.unwrap(), [Applied::Applied]);
    }
    let removed = tokio::spawn(own.remove()).await;
    if removed.is_err() {
        Own { namespace }.remove().await; // The message is taken by now.
    }
    let message = |panic: tokio::task::JoinError| {
        panic.into_panic().downcast_ref::<String>().expect("a message").clone()
    };
    removed.map_err(message)
}

#[tokio::test]
async fn what_waits_in_a_queue_at_the_end_of_a_test_is_in_the_views() {
    assert_eq!(remove(true).await, Ok(()));
    let failed = remove(false).await.expect_err("an event is in no view");
    assert!(failed.contains("still holds what no view has"), "{failed}");
}
