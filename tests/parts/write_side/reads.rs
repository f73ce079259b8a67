//! What a group reads of its streams, where some of them are large.
//!
//! In one thread: all that are submitted at once wait before the first of them starts.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use command_api::write::{Rejected, Request, Writer};
use futures::future::join_all;
use kernel::Result;
use kernel::log::{StreamName, Version};
use shared::event_store::{EventStore, Part};
use shared::service::health::Health;
use tests::decorator::{Decorator, Hooks};
use tests::toy::{AGAIN, Toy, stream, write};

type Store = Arc<dyn EventStore>;

/// Counts the reads of streams, and remembers of which stream each commit is that they find.
#[derive(Default)]
struct Reads {
    calls: AtomicUsize,
    found: Mutex<Vec<StreamName>>,
}

#[async_trait]
impl Hooks for Reads {
    async fn read_streams(
        &self,
        store: &dyn EventStore,
        above: &[(&StreamName, Version)],
    ) -> Result<Part> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let part = store.read_streams(above).await?;
        let streams = part.commits.iter().map(|commit| commit.stream.clone());
        self.found.lock().unwrap().extend(streams);
        Ok(part)
    }
}

/// Streams of 1 MiB, which another process has written.
async fn large<const COUNT: usize>(store: &Store) -> [StreamName; COUNT] {
    let streams: [StreamName; COUNT] = std::array::from_fn(|_| stream());
    let (writer, scheduler) = Writer::<Toy>::start(store.clone(), Health::default());
    let text = "x".repeat(1 << 20);
    for stream in &streams {
        writer.submit(write(stream, &text)).await.unwrap().unwrap();
    }
    drop(writer);
    scheduler.await.unwrap();
    streams
}

/// A command that is refused unless the stream is at this version.
fn expecting(version: Version, stream: &StreamName) -> Request<Toy> {
    Request { expected: Some(version), ..write(stream, "") }
}

/// With each read twice as many join the next.
async fn streams_that_hold_nothing_are_read_many_at_a_time(store: Store) {
    let [large] = large::<1>(&store).await;
    let reads = Decorator::over(store, Reads::default());
    let (writer, scheduler) = Writer::<Toy>::start(reads.clone(), Health::default());
    let accepted = writer.submit(write(&large, AGAIN));
    let refused: Vec<_> = (0..200).map(|_| writer.submit(expecting(1, &stream()))).collect();
    accepted.await.unwrap().unwrap();
    for outcome in join_all(refused).await {
        assert_eq!(outcome.unwrap(), Err(Rejected::VersionMismatch { actual: 0 }));
    }
    let calls = reads.hooks.calls.load(Ordering::SeqCst);
    assert!(calls <= 12, "{calls} reads");
    drop(writer);
    scheduler.await.unwrap();
}

/// A command that is refused on the state that is known has to wait, as the streams before it fill the read.
async fn a_known_state_of_a_stream_that_is_left_out_stays_known(store: Store) {
    let large = large::<5>(&store).await;
    let reads = Decorator::over(store, Reads::default());
    let (writer, scheduler) = Writer::<Toy>::start(reads.clone(), Health::default());
    let known = stream();
    writer.submit(write(&known, "")).await.unwrap().unwrap();
    let accepted: Vec<_> = large.iter().map(|it| writer.submit(write(it, AGAIN))).collect();
    let refused = writer.submit(expecting(7, &known));
    for outcome in join_all(accepted).await {
        outcome.unwrap().unwrap();
    }
    assert_eq!(refused.await.unwrap(), Err(Rejected::VersionMismatch { actual: 1 }));
    let found = std::mem::take(&mut *reads.hooks.found.lock().unwrap());
    assert!(large.iter().all(|stream| found.contains(stream)), "{found:?}");
    assert!(!found.contains(&known), "it was read from its start");
    drop(writer);
    scheduler.await.unwrap();
}

tests::on_both_logs! { in one thread:
    streams_that_hold_nothing_are_read_many_at_a_time
    a_known_state_of_a_stream_that_is_left_out_stays_known
}
