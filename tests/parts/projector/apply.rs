//! What a worker does with events that are duplicated, shuffled, missing or poisonous.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kernel::Result;
use kernel::log::{Recorded, StreamName};
use kernel::projection::{Change, FieldKey, Sum};
use projector::BatchOutcome;
use proptest::test_runner::{Config, TestRunner};
use shared::view_store::memory::Memory;
use shared::view_store::{Applied, GenerationId, ViewStore};
use tests::Own;
use tests::orders::{commit, created, created_of, item, paid, stream, unreadable};
use tests::stores::TempDir;
use tests::subject::Subject;
use tests::view_decorator::{ViewDecorator, ViewHooks};
use tokio::time::Instant;

async fn shuffled_and_repeated_events_count_once(subject: Subject) {
    let stream = stream();
    let mut all = vec![created(&stream, 100)];
    all.extend((0..20).map(|_| paid(1)));
    let events = subject.append(&stream, 1, &all).await;
    // Batches that overlap, run ahead and fall behind.
    for batch in [
        &events[5..9],
        &events[0..3],
        &events[2..4],
        &events[10..12],
        &events[0..21],
        &events[7..8],
    ] {
        let mut batch = batch.to_vec();
        batch.reverse();
        subject.apply(&batch).await;
    }
    assert_eq!(subject.version(&stream).await, 21);
    let records = subject.records(&["stats"]).await;
    assert_eq!((records[0]["orders"].as_str(), records[0]["revenue:EUR"].as_str()), ("1", "20"));
}

async fn poison_parks_its_stream_at_its_version_and_stops_nothing_else(subject: Subject) {
    let (bad, good) = (stream(), stream());
    let poisoned = [created(&bad, 9), paid(1), unreadable(), paid(2)];
    let mut events = subject.append(&bad, 1, &poisoned).await;
    events.extend(subject.append(&good, 1, &[created(&good, 9), paid(9)]).await);
    subject.apply(&events).await;
    assert_eq!((subject.version(&bad).await, subject.version(&good).await), (2, 2));
    assert_eq!(subject.parked().await, [(bad.clone(), 3)]);
    // Later events of the stream add nothing over the hole, and do not hold the worker up.
    let later = subject.append(&bad, 5, &[paid(1)]).await;
    subject.apply(&later).await;
    assert_eq!((subject.version(&bad).await, subject.parked().await), (2, vec![(bad, 3)]));
}

async fn what_the_log_does_not_lead_up_to_is_parked(subject: Subject) {
    let forged = stream();
    let event = commit(7, &forged, 3, &paid(1)).recorded().next().unwrap();
    subject.apply(&[event]).await;
    assert_eq!(subject.parked().await, [(forged, 1)]);
}

async fn a_sum_out_of_range_parks_the_order_that_leads_there(subject: Subject) {
    let (other, one, two) = (StreamName::stored("other"), stream(), stream());
    // Room for the value of one order is left. (Orders that are accepted would take millions.)
    let delta = shared::view_store::MAX_SUM - 9;
    let key = FieldKey::new("stats", "revenue:EUR");
    let full = Change {
        traceparent: None,
        stream: other,
        base: 0,
        to: 1,
        position: 0,
        document: b"{}".to_vec(),
        sums: vec![Sum { key, delta, rank: None }],
        enter: vec![],
        leave: vec![],
        greatest_texts: vec![],
    };
    subject.views.apply(&subject.generation, &[full]).await.unwrap();
    for stream in [&one, &two] {
        let events = subject.append(stream, 1, &[created(stream, 9), paid(9)]).await;
        subject.apply(&events).await;
    }
    assert_eq!((subject.version(&one).await, subject.version(&two).await), (2, 1));
    assert_eq!(subject.parked().await, [(two, 2)]);
}

tests::on_all_views! {
    shuffled_and_repeated_events_count_once
    poison_parks_its_stream_at_its_version_and_stops_nothing_else
    what_the_log_does_not_lead_up_to_is_parked
    a_sum_out_of_range_parks_the_order_that_leads_there
}

/// A batch waits for events that it misses, but not for those of a stream that is parked.
#[tokio::test]
async fn later_events_of_a_parked_stream_cost_the_others_no_time() {
    let folder = TempDir::default();
    let subject = Subject::new(Arc::new(folder.sqlite()), Arc::new(Memory::default())).await;
    let (bad, good, gapped) = (stream(), stream(), stream());
    let events = subject.append(&bad, 1, &[created(&bad, 9), unreadable()]).await;
    subject.apply(&events).await;
    let mut batch = subject.append(&bad, 3, &[paid(1)]).await;
    batch.extend(subject.append(&good, 1, &[created(&good, 9)]).await);
    let late = subject.append(&gapped, 1, &[created(&gapped, 9), paid(1)]).await.split_off(1);
    tokio::time::pause(); // From here on time passes where the applier waits for it, and only there.
    let before = Instant::now();
    subject.apply(&batch).await;
    assert_eq!(before.elapsed(), Duration::ZERO);
    subject.apply(&late).await;
    assert!(before.elapsed() >= Duration::from_millis(20), "{:?}", before.elapsed());
    assert_eq!((subject.version(&good).await, subject.version(&gapped).await), (1, 2));
    assert_eq!(subject.parked().await, [(bad, 2)]);
}

/// Bytes of the documents of each call that writes views.
#[derive(Default)]
struct Written(Mutex<Vec<Vec<usize>>>);

#[async_trait]
impl ViewHooks for Written {
    async fn apply(
        &self,
        views: &dyn ViewStore,
        generation: &GenerationId,
        changes: &[Change],
    ) -> Result<Vec<Applied>> {
        let documents = changes.iter().map(|change| change.document.len());
        self.0.lock().unwrap().push(documents.collect());
        views.apply(generation, changes).await
    }
}

/// The calls in which so many orders with so many items are written.
async fn written(orders: usize, items: usize) -> Vec<Vec<usize>> {
    let folder = TempDir::default();
    let views = ViewDecorator::over(Arc::new(Memory::default()), Written::default());
    let subject = Subject::new(Arc::new(folder.sqlite()), views.clone()).await;
    let item = |number| item(&format!("{number:0>64}"), 1, 1);
    let items: Vec<_> = (0..items).map(item).collect();
    let mut events = vec![];
    for _ in 0..orders {
        let stream = stream();
        events.extend(subject.append(&stream, 1, &[created_of(&stream, &items)]).await);
    }
    subject.apply(&events).await;
    views.hooks.0.lock().unwrap().iter().filter(|call| !call.is_empty()).cloned().collect()
}

#[tokio::test]
async fn what_is_written_at_a_time_is_bounded_in_bytes() {
    const MOST: usize = 2 << 20;
    let large = written(12, 3_000).await;
    let of_all: Vec<usize> = large.concat();
    assert_eq!(of_all.len(), 12);
    assert!(of_all.iter().sum::<usize>() > 2 * MOST, "{large:?}");
    for call in &large {
        assert!(call[..call.len() - 1].iter().sum::<usize>() < MOST, "{large:?}");
    }
    let small = written(12, 1).await;
    assert_eq!(small.iter().map(Vec::len).collect::<Vec<_>>(), [12]);
}

/// Orders counted after two workers got the same event at the same moment.
async fn counted_after_a_meeting(guarded: bool) -> Option<String> {
    let folder = TempDir::default();
    let views = tests::unguarded::Meeting::over_memory(guarded);
    let subject = Subject::new(Arc::new(folder.sqlite()), views).await;
    let stream = stream();
    let events = subject.append(&stream, 1, &[created(&stream, 5)]).await;
    tokio::join!(subject.apply(&events), subject.apply(&events));
    let records = subject.records(&["stats"]).await;
    records[0].get("orders").cloned()
}

/// A negative control: this is what the guard is there for.
#[tokio::test(flavor = "multi_thread")]
async fn with_its_guard_off_a_duplicate_counts_twice() {
    assert_eq!(counted_after_a_meeting(true).await.as_deref(), Some("1"));
    assert_eq!(counted_after_a_meeting(false).await.as_deref(), Some("2"));
}

/// However deliveries are cut, repeated and mixed between workers, Redis and memory end alike.
#[tokio::test(flavor = "multi_thread")]
async fn any_deliveries_end_in_the_same_views() {
    let (own, folder) = (Own::default(), TempDir::default());
    let redis = Subject::new(Arc::new(own.mongodb().await), Arc::new(own.redis().await)).await;
    let memory = Subject::new(Arc::new(folder.sqlite()), Arc::new(Memory::default())).await;
    let mut streams = vec![];
    let mut events: Vec<Vec<Recorded>> = vec![vec![], vec![]];
    for _ in 0..5 {
        let stream = stream();
        let mut all = vec![created(&stream, 100)];
        all.extend((0..8).map(|_| paid(3)));
        for (subject, events) in [&redis, &memory].into_iter().zip(&mut events) {
            events.extend(subject.append(&stream, 1, &all).await);
        }
        streams.push(stream);
    }
    let handle = tokio::runtime::Handle::current();
    let ran = tokio::task::spawn_blocking(move || {
        let mut runner = TestRunner::new(Config { cases: 1, ..Config::default() });
        let deliveries =
            proptest::collection::vec(proptest::collection::vec(0..events[0].len(), 1..20), 40);
        let run = runner.run(&deliveries, |deliveries| {
            for (subject, events) in [&redis, &memory].into_iter().zip(&events) {
                let workers = deliveries.iter().map(|batch| {
                    let batch: Vec<Recorded> =
                        batch.iter().map(|&index| events[index].clone()).collect();
                    let (applier, generation) =
                        (subject.applier.clone(), subject.generation.clone());
                    handle.spawn(async move { applier.apply(&generation, batch).await.unwrap() })
                });
                for worker in workers.collect::<Vec<_>>() {
                    assert_eq!(handle.block_on(worker).unwrap(), BatchOutcome::Applied);
                }
                handle.block_on(subject.apply(events));
                for stream in &streams {
                    assert_eq!(handle.block_on(subject.version(stream)), 9);
                }
            }
            let stats = [&redis, &memory]
                .map(|subject| handle.block_on(subject.records(&["stats", "customer:c"])));
            assert_eq!(stats[0], stats[1]);
            Ok(())
        });
        run.unwrap();
    });
    ran.await.unwrap();
    own.remove().await;
}
