//! How far the views are, as streams of events tell it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use futures::{FutureExt as _, StreamExt as _};
use kernel::log::Position;
use kernel::views::{Batch, Read};
use kernel::{Failure, Result};
use query_api::live::Bounds;
use shared::view_store::{Advance, GenerationId, Reading, ViewStore};
use tests::orders::stream;
use tests::until::{WAIT_TIMEOUT, let_pass};
use tests::view_decorator::ViewHooks;
use tokio::time::{Instant, timeout};

use super::{Reader, Subject};

/// Opens streams, and takes what each is told first.
async fn open(subject: &Subject, streams: usize) -> Vec<Reader> {
    let mut clients = vec![];
    for _ in 0..streams {
        let mut client = subject.open(&[], None).await;
        while client.body.next().now_or_never().is_some() {}
        clients.push(client);
    }
    clients
}

/// The next checkpoint that a client is told.
async fn next_checkpoint(client: &mut Reader) -> String {
    let next = async {
        loop {
            let text = client.next_bytes().await;
            if text.contains("event: checkpoint") {
                return text;
            }
        }
    };
    timeout(WAIT_TIMEOUT, next).await.expect("it is told one")
}

/// Moves the checkpoint by one.
async fn advance(subject: &Subject, position: Position) {
    let moved = subject.views.advance(&subject.live.id, position - 1, position, &[]).await;
    assert_eq!(moved.unwrap(), Advance::Moved);
}

/// Moves the checkpoint by one, and waits until each client is told; when each was.
async fn told(subject: &Subject, clients: &mut [Reader], position: Position) -> Vec<Instant> {
    advance(subject, position).await;
    let next = clients.iter_mut().map(|client| async move {
        let text = client.next_bytes().await;
        assert!(text.contains(&format!("\"position\":{position},")), "{text}");
        Instant::now()
    });
    join_all(next).await
}

/// Each that is told something has to be woken: all at once would hold up what is told of changes.
#[tokio::test(start_paused = true)]
async fn checkpoints_are_told_to_a_few_clients_at_a_time_and_to_each_every_500_ms_at_most() {
    let subject = Subject::new().await;
    let mut clients = open(&subject, 100).await;
    let first = told(&subject, &mut clients, 1).await;
    let mut together = BTreeMap::<Instant, usize>::new();
    first.iter().for_each(|at| *together.entry(*at).or_default() += 1);
    assert!(together.values().all(|clients| *clients <= 4), "{together:?}");
    let (earliest, latest) = (*first.iter().min().unwrap(), *first.iter().max().unwrap());
    assert!(latest - earliest < Duration::from_secs(1), "{together:?}");
    let second = told(&subject, &mut clients, 2).await;
    for (first, second) in first.iter().zip(second) {
        assert!(second - *first >= Duration::from_millis(500), "{:?}", second - *first);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_client_is_told_first_is_not_taken_back() {
    let subject = Subject::new().await;
    let mut before = open(&subject, 1).await;
    told(&subject, &mut before, 1).await;
    // That is the checkpoint which others are told still.
    advance(&subject, 2).await;
    let mut client = subject.open(&[], None).await;
    for _ in 0..2 {
        let told = next_checkpoint(&mut client).await;
        assert!(told.contains("\"position\":2,"), "{told}");
    }
}

/// While others are told one still, and nothing is written any more.
#[tokio::test(start_paused = true)]
async fn a_client_that_resumes_is_told_how_far_the_views_are() {
    let subject = Subject::new().await;
    let mut before = open(&subject, 1).await;
    subject.change(&stream(), 1, "x", "created").await;
    subject.change(&stream(), 1, "x", "created").await;
    let last = format!("{}.{}.0-1", subject.live.log, subject.live.id);
    advance(&subject, 1).await;
    while !next_checkpoint(&mut before[0]).await.contains("\"position\":1,") {}
    let mut client = subject.open(&[], Some(&last)).await;
    let told = next_checkpoint(&mut client).await;
    assert!(told.contains("\"position\":1,") && !told.contains("id: "), "{told}");
}

/// Views whose reads take long.
struct Slow;

#[async_trait]
impl ViewHooks for Slow {
    async fn read(
        &self,
        views: &dyn ViewStore,
        generation: &GenerationId,
        batch: &Batch,
    ) -> Result<Reading> {
        let_pass(Duration::from_millis(200)).await;
        views.read(generation, batch).await
    }
}

#[tokio::test(start_paused = true)]
async fn each_client_is_told_checkpoints_in_time_although_changes_take_long_to_tell() {
    let (subject, _views) = Subject::hooked(Slow, Bounds::default()).await;
    let mut clients = open(&subject, 25).await;
    let changes = async {
        for _ in 0..1_000 {
            subject.change(&stream(), 1, "x", "created").await;
            let_pass(Duration::from_millis(100)).await;
        }
    };
    let told = clients.iter_mut().map(|client| async move {
        let mut told = vec![];
        while told.len() < 3 {
            next_checkpoint(client).await;
            told.push(Instant::now());
        }
        told
    });
    let told = tokio::select! {
        () = changes => panic!("they were not told in time"),
        told = join_all(told) => told,
    };
    for pair in told.iter().flat_map(|of_one| of_one.windows(2)) {
        let between = (pair[1] - pair[0]).as_millis();
        assert!((500..=1_100).contains(&between), "{between} ms");
    }
}

/// Views of which one alone can't be read: at first because a server is away, then for good.
#[derive(Default)]
struct OneBroken(AtomicUsize);

#[async_trait]
impl ViewHooks for OneBroken {
    async fn read(
        &self,
        views: &dyn ViewStore,
        generation: &GenerationId,
        batch: &Batch,
    ) -> Result<Reading> {
        let is_alone = |read: &Read| matches!(read, Read::Views(streams) if streams.len() == 1);
        let (what, why) = ("reading views", "the fault of this test");
        match batch.reads().iter().any(is_alone) {
            false => views.read(generation, batch).await,
            true if self.0.fetch_add(1, Ordering::SeqCst) == 0 => {
                Err(Failure::transient(what, why))
            }
            true => Err(Failure::permanent(what, why)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn how_late_changes_were_told_is_known_although_others_could_not_be_read() {
    let (subject, views) = Subject::hooked(OneBroken::default(), Bounds::default()).await;
    let mut clients = open(&subject, 1).await;
    // A page, and one that is read alone.
    for _ in 0..=100 {
        subject.change(&stream(), 1, "x", "created").await;
    }
    let told = next_checkpoint(&mut clients[0]).await;
    assert!(views.hooks.0.load(Ordering::SeqCst) > 1, "the round was interrupted");
    assert!(told.contains("\"lag_ms\":") && !told.contains("\"lag_ms\":null"), "{told}");
}
