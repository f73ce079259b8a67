//! Views that are so large that few of them are read at a time. Where it is waited for clients, the clock stands
//! still while one reads.

use std::collections::HashSet;

use kernel::log::StreamName;
use query_api::live::Bounds;
use tests::orders::stream;

use super::telling::{Fault, Faulty};
use super::{Reader, Subject};

/// Together they are several times what one read returns, and more than a client may be behind.
const VIEWS: usize = 20;
const BYTES: usize = 500 << 10;

/// Changes such views, each once. In one thread they have all changed before one of them is told.
async fn change_all(subject: &Subject) -> Vec<StreamName> {
    let (streams, note) = (Vec::from_iter((0..VIEWS).map(|_| stream())), "x".repeat(BYTES));
    for stream in &streams {
        subject.change_noting(stream, 1, ("x", "created"), &note).await;
    }
    streams
}

async fn told(client: &mut Reader) -> HashSet<StreamName> {
    let told = client.views::<VIEWS>().await;
    told.into_iter().map(|(stream, _)| stream).collect()
}

#[tokio::test(start_paused = true)]
async fn large_views_that_change_together_are_all_told_to_a_client_that_reads() {
    let subject = Subject::new().await;
    let (mut reads, mut silent) = (subject.open(&[], None).await, subject.open(&[], None).await);
    let changed = change_all(&subject).await;
    assert_eq!(told(&mut reads).await, HashSet::from_iter(changed));
    assert_eq!(silent.next().await, None, "it is not waited for each time");
}

#[tokio::test(start_paused = true)]
async fn large_views_are_told_although_another_can_not_be_read() {
    let (subject, views) = Subject::hooked(Faulty::default(), Bounds::default()).await;
    let mut client = subject.open(&[], None).await;
    let broken = stream();
    views.hooks.set(Some(Fault::Broken(broken.clone())));
    subject.change(&broken, 1, "x", "created").await;
    let changed = change_all(&subject).await;
    assert_eq!(told(&mut client).await, HashSet::from_iter(changed));
}

#[tokio::test]
async fn a_client_that_missed_large_views_can_resume_between_any_two_reads() {
    let subject = Subject::new().await;
    subject.change(&stream(), 1, "x", "created").await;
    let last = format!("{}.{}.0-1", subject.live.log, subject.live.id);
    let changed = change_all(&subject).await;
    let mut client = subject.open(&[], Some(&last)).await;
    let mut ids = HashSet::new();
    for (stream, place) in changed.iter().zip(2..) {
        let event = client.next().await.unwrap();
        assert_eq!(event.data["stream"], stream.as_str(), "in the order of their changes");
        let told: usize = match event.id.rsplit_once('-') {
            Some((_, place)) => place.parse().unwrap(),
            None => 1,
        };
        assert!(told <= place, "{told} is told as the place of {place}");
        ids.insert(told);
    }
    assert!(ids.contains(&(VIEWS + 1)) && ids.len() > VIEWS / 5, "{ids:?}");
}
