//! How streams of events end: with the service, or with the task that tells them.

use query_api::live::Bounds;
use tests::orders::stream;

use super::Subject;
use super::telling::{Fault, Faulty};

/// Changes three orders; the id of the event that told the first.
async fn behind_first(subject: &Subject) -> String {
    for _ in 0..3 {
        subject.change(&stream(), 1, "x", "created").await;
    }
    format!("{}.{}.0-1", subject.live.log, subject.live.id)
}

#[tokio::test]
async fn streams_of_events_end_with_the_service() {
    let subject = Subject::new().await;
    let mut client = subject.open(&[], None).await;
    subject.stop.cancel();
    assert_eq!(client.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn streams_end_with_the_service_although_reads_are_not_answered() {
    let (subject, views) = Subject::hooked(Faulty::default(), Bounds::default()).await;
    let mut client = subject.open(&[], None).await;
    views.hooks.set(Some(Fault::ReadsHang));
    subject.change(&stream(), 1, "x", "created").await;
    views.hooks.until_met().await;
    subject.stop.cancel();
    assert_eq!(client.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn streams_end_with_the_task_that_tells_them_and_later_ones_are_told() {
    let (subject, views) = Subject::hooked(Faulty::default(), Bounds::default()).await;
    let mut client = subject.open(&[], None).await;
    views.hooks.set(Some(Fault::ReadsPanic));
    subject.change(&stream(), 1, "x", "created").await;
    assert_eq!(client.next().await, None);
    views.hooks.set(None);
    let (mut client, changed) = (subject.open(&[], None).await, stream());
    subject.change(&changed, 1, "x", "created").await;
    assert_eq!(client.views().await, [(changed, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_missed_changes_are_not_read_to_the_end_is_told_nothing_behind_them() {
    let (subject, views) = Subject::hooked(Faulty::default(), Bounds::default()).await;
    let last = behind_first(&subject).await;
    views.hooks.set(Some(Fault::ReadsPanic));
    assert_eq!(subject.open(&[], Some(&last)).await.next().await, None);
    views.hooks.set(Some(Fault::ReadsFail));
    assert_eq!(subject.open(&[], Some(&last)).await.next().await, None);
    views.hooks.set(None);
    subject.open(&[], Some(&last)).await.views::<2>().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_catches_up_ends_with_the_service() {
    let (subject, views) = Subject::hooked(Faulty::default(), Bounds::default()).await;
    let last = behind_first(&subject).await;
    views.hooks.set(Some(Fault::ReadsHang));
    let mut client = subject.open(&[], Some(&last)).await;
    views.hooks.until_met().await;
    subject.stop.cancel();
    assert_eq!(client.next().await, None);
}
