//! Streams that can't be applied, and how they come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use kernel::Result;
use kernel::log::{Entry, Recorded, StreamName, Version};
use kernel::views::Parked;
use shared::event_store::{EventStore, Inserted, NotInserted, Part};
use shared::view_store::{Generation, GenerationId, ViewStore};
use tests::Own;
use tests::decorator::{Decorator, Hooks};
use tests::orders::{commit, created, paid, stream, unreadable};
use tests::subject::Subject;
use tokio_util::sync::CancellationToken;

/// Parks a stream on behalf of another build.
async fn park(subject: &Subject, stream: &StreamName, version: Version, let_go: Version) {
    let note = Parked {
        stream: stream.clone(),
        version,
        reason: "of another build".to_owned(),
        projection: 1,
        build: "another".to_owned(),
        at: kernel::Timestamp::now(),
        let_go,
    };
    subject.views.park(&subject.generation, &note).await.unwrap();
}

/// Streams whose second event is poison, with the views of their first.
async fn poisoned(subject: &Subject, count: usize) -> Vec<Recorded> {
    let mut bad = vec![];
    for _ in 0..count {
        let stream = stream();
        let events = subject.append(&stream, 1, &[created(&stream, 9), unreadable()]).await;
        bad.extend(events);
    }
    bad
}

fn generation_of(subject: &Subject) -> GenerationId {
    subject.generation.clone()
}

async fn a_habit_of_parking_is_stopped(subject: Subject) {
    let events = poisoned(&subject, 101).await;
    let refused = subject.applier.apply(&subject.generation, events).await.unwrap_err();
    assert!(refused.to_string().contains("100 streams were parked"), "{refused}");
    assert_eq!(subject.parked().await.len(), 100);
}

async fn what_is_parked_already_is_parked_again_without_end(subject: Subject) {
    let events = poisoned(&subject, 100).await;
    for _ in 0..3 {
        subject.apply(&events).await;
    }
    assert_eq!(subject.parked().await.len(), 100);
}

async fn a_rebuild_over_many_poisoned_streams_ends(subject: Subject) {
    let events = poisoned(&subject, 150).await;
    let views = &subject.views;
    for event in events.iter().filter(|event| event.version == 2) {
        park(&subject, &event.stream, 2, 2).await;
    }
    assert!(views.promote(None, &generation_of(&subject)).await.unwrap());
    let log = subject.store.log_id().await.unwrap();
    let next = Generation::new(log, 1);
    assert!(views.begin(&next).await.unwrap());
    subject.applier.apply(&next.id, events).await.unwrap();
    assert_eq!(views.count_parked(&next.id).await.unwrap(), 150);
}

async fn a_retry_brings_in_what_was_let_go(subject: Subject) {
    let stream = stream();
    let events =
        subject.append(&stream, 1, &[created(&stream, 9), paid(1), paid(2), paid(3)]).await;
    subject.apply(&events[..1]).await;
    park(&subject, &stream, 2, 4).await;
    let (retrier, generation) = (&subject.retrier, generation_of(&subject));
    assert!(retrier.retry(&generation, &stream).await.unwrap());
    assert_eq!((subject.version(&stream).await, subject.parked().await), (4, vec![]));
    assert!(retrier.retry(&generation, &stream).await.unwrap(), "it is not parked");
}

async fn a_retry_that_finds_more_poison_parks_there_whatever_the_brake_says(subject: Subject) {
    let stream = stream();
    let all = [created(&stream, 9), paid(1), unreadable(), paid(1)];
    let events = subject.append(&stream, 1, &all).await;
    subject.apply(&events[..1]).await;
    park(&subject, &stream, 2, 4).await;
    subject.apply(&poisoned(&subject, 100).await).await; // The brake allows no more.
    let (retrier, generation) = (&subject.retrier, generation_of(&subject));
    assert!(!retrier.retry(&generation, &stream).await.unwrap());
    assert_eq!(subject.version(&stream).await, 2);
    assert!(subject.parked().await.contains(&(stream.clone(), 3)), "never without a note");
    assert!(!retrier.retry(&generation, &stream).await.unwrap(), "nothing has changed");
}

/// A worker that is killed after the first event leaves a note that the next one finds.
async fn a_retry_that_was_interrupted_is_taken_up_again(subject: Subject) {
    let stream = stream();
    let events =
        subject.append(&stream, 1, &[created(&stream, 9), paid(1), paid(2), paid(3)]).await;
    subject.apply(&events[..1]).await;
    park(&subject, &stream, 2, 4).await;
    subject.apply(&events[1..2]).await;
    assert_eq!(subject.parked().await, [(stream.clone(), 3)], "the rest is missing still");
    let never = CancellationToken::new();
    subject.retrier.retry_untried(&subject.generation, &never).await.unwrap();
    assert_eq!((subject.version(&stream).await, subject.parked().await), (4, vec![]));
}

tests::on_all_views! {
    a_habit_of_parking_is_stopped
    what_is_parked_already_is_parked_again_without_end
    a_rebuild_over_many_poisoned_streams_ends
    a_retry_brings_in_what_was_let_go
    a_retry_that_finds_more_poison_parks_there_whatever_the_brake_says
    a_retry_that_was_interrupted_is_taken_up_again
}

/// When the log of a stream is read to its end, one more event arrives, and another worker lets it go.
struct Meanwhile {
    views: Arc<dyn ViewStore>,
    late: Entry,
    done: AtomicBool,
}

#[async_trait]
impl Hooks for Meanwhile {
    async fn insert(
        &self,
        store: &dyn EventStore,
        entries: &[Entry],
    ) -> Result<Vec<Inserted>, NotInserted> {
        store.insert(entries).await
    }

    async fn read_streams(
        &self,
        store: &dyn EventStore,
        above: &[(&StreamName, Version)],
    ) -> Result<Part> {
        let part = store.read_streams(above).await?;
        if part.commits.is_empty() && !self.done.swap(true, Ordering::SeqCst) {
            let Entry::Commit(commit) = &self.late else { panic!("a commit") };
            store.insert(std::slice::from_ref(&self.late)).await?;
            for generation in self.views.generations().await? {
                let gone =
                    self.views.let_go(&generation.id, &[(&commit.stream, commit.to)]).await?;
                assert_eq!(gone, [true], "the note is still there");
            }
        }
        Ok(part)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_worker_lets_go_during_a_retry_is_brought_in_too() {
    let own = Own::default();
    let (store, views) = (Arc::new(own.mongodb().await), Arc::new(own.redis().await));
    let plain = Subject::new(store.clone(), views.clone()).await;
    let stream = stream();
    let all = [created(&stream, 9), paid(1), paid(2), paid(3)];
    let events = plain.append(&stream, 1, &all[..3]).await;
    plain.apply(&events[..1]).await;
    park(&plain, &stream, 2, 3).await;
    let late = commit(4, &stream, 4, &all[3]);
    let hooks = Meanwhile { views: views.clone(), late: Entry::Commit(late), done: false.into() };
    let other = Subject::of(plain.generation.clone(), Decorator::over(store, hooks), views);
    assert!(other.retrier.retry(&plain.generation, &stream).await.unwrap());
    assert_eq!((plain.version(&stream).await, plain.parked().await), (4, vec![]));
    own.remove().await;
}
