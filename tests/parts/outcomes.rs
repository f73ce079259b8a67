//! What goes wrong and is dealt with is counted, by what it was.

use std::sync::Arc;

use ::orders::OrderAggregate;
use command_api::write::Writer;
use shared::event_store::EventStore;
use shared::service::health::Health;
use shared::view_store::memory::Memory;
use tests::faulty::{Fault, Faulty};
use tests::orders::{self, created, paid, stream, unreadable};
use tests::prometheus::counted_here;
use tests::requests::request;
use tests::stores::TempDir;
use tests::subject::Subject;
use tests::unguarded::Meeting;
use uuid::Uuid;

/// Attempts to make two writers collide.
const MEETINGS: usize = 100;

fn retries(cause: &str) -> f64 {
    counted_here(&format!("waybill_command_retries_total{{cause=\"{cause}\"}}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_start_afresh_are_counted_by_cause() {
    let folder = TempDir::default();
    let store: Arc<dyn EventStore> = Arc::new(folder.sqlite());
    let tombstones = || counted_here("waybill_tombstones_total{by=\"writer\"}");
    for (fault, cause, of_log) in [
        (Fault::PositionTaken, "position", "waybill_append_duplicates_total"),
        (Fault::LostBefore, "lost", "waybill_appends_unknown_total"),
    ] {
        let before = (retries(cause), counted_here(of_log), tombstones());
        let faulty = Faulty::over(store.clone(), &[fault]);
        let (writer, _scheduler) = Writer::<OrderAggregate>::start(faulty, Health::default());
        let create = request(orders::create(1), Uuid::new_v4(), None);
        writer.submit(create).await.unwrap().unwrap();
        assert!(retries(cause) > before.0, "{fault:?}");
        assert!(counted_here(of_log) > before.1, "{fault:?}");
        assert!(
            cause != "lost" || tombstones() > before.2,
            "the position of what is lost is filled"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_another_process_was_faster_than_is_counted() {
    let folder = TempDir::default();
    let store: Arc<dyn EventStore> = Arc::new(folder.sqlite());
    let start = || Writer::<OrderAggregate>::start(store.clone(), Health::default());
    let ((one, _one), (other, _other)) = (start(), start());
    let order = Uuid::new_v4();
    one.submit(request(orders::create(1_000), order, None)).await.unwrap().unwrap();
    let before = retries("stream");
    let pay = || request(orders::payment(1), order, None);
    for _ in 0..MEETINGS {
        let (first, second) = tokio::join!(one.submit(pay()), other.submit(pay()));
        first.unwrap().unwrap();
        second.unwrap().unwrap();
        if retries("stream") > before {
            return;
        }
    }
    panic!("of {MEETINGS} pairs of payments at a time none collided");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_of_events_is_counted_by_outcome() {
    let folder = TempDir::default();
    let store: Arc<dyn EventStore> = Arc::new(folder.sqlite());
    let subject = Subject::new(store.clone(), Arc::new(Memory::default())).await;
    // The last event of a stream alone: the others come from the log.
    let before = counted_here("waybill_gap_reads_total");
    let gapped = stream();
    let events = subject.append(&gapped, 1, &[created(&gapped, 9), paid(1), paid(1)]).await;
    subject.apply(&events[2..]).await;
    assert_eq!(subject.version(&gapped).await, 3);
    assert!(counted_here("waybill_gap_reads_total") > before);

    let before = counted_here("waybill_streams_parked_total");
    let poisoned = stream();
    let events = subject.append(&poisoned, 1, &[created(&poisoned, 9), unreadable()]).await;
    subject.apply(&events).await;
    assert!(counted_here("waybill_streams_parked_total") > before);

    // Two workers with the same event at the same moment.
    let duplicates = || counted_here("waybill_changes_total{outcome=\"duplicate\"}");
    let before = duplicates();
    let met = Subject::new(store, Meeting::over_memory(true)).await;
    let stream = stream();
    let events = met.append(&stream, 1, &[created(&stream, 5)]).await;
    tokio::join!(met.apply(&events), met.apply(&events));
    assert!(duplicates() > before);
}
