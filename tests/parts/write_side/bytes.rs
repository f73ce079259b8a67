//! What the write side holds and sends is bound by bytes.

use std::sync::Arc;

use command_api::write::{Request, Writer};
use futures::future::join_all;
use kernel::log::StreamName;
use shared::event_store::EventStore;
use shared::service::health::Health;
use tests::counted::Counted;
use tests::held::Held;
use tests::toy::{Toy, stream, write};

type Store = Arc<dyn EventStore>;

/// The entries of each insert when so many commands of so many bytes wait for the log.
async fn inserts(store: Store, commands: usize, bytes: usize) -> Vec<usize> {
    let held = Held::over(store);
    let (writer, scheduler) = Writer::<Toy>::start(held.clone(), Health::default());
    let mut outcomes = vec![];
    for group in 1..=2 {
        outcomes.push(writer.submit(write(&stream(), "")));
        held.hooks.until_begun(group).await;
    }
    // As if it were so long.
    let command = || Request { bytes, ..write(&stream(), "") };
    outcomes.extend((0..commands).map(|_| writer.submit(command())));
    held.hooks.release();
    for outcome in join_all(outcomes).await {
        outcome.unwrap().unwrap();
    }
    drop(writer);
    scheduler.await.unwrap();
    held.hooks.inserts.lock().unwrap().split_off(2)
}

async fn a_group_is_bound_in_bytes(store: Store) {
    let inserts = inserts(store, 10, 1 << 20).await;
    assert_eq!(inserts.iter().sum::<usize>(), 10);
    assert_eq!(inserts.iter().max(), Some(&4), "{inserts:?}");
}

async fn a_group_is_bound_in_number(store: Store) {
    let inserts = inserts(store, 600, 100).await;
    assert_eq!(inserts.iter().sum::<usize>(), 600);
    assert_eq!(inserts.iter().max(), Some(&256), "{inserts:?}");
}

async fn a_command_that_is_larger_than_a_group_goes_alone(store: Store) {
    assert_eq!(inserts(store, 2, 5 << 20).await, [1, 1]);
}

/// 40 states of 1 MiB: the latest are known, the earliest are forgotten and read again.
async fn known_states_are_bound_in_bytes(store: Store) {
    let counted = Counted::over(store);
    let (writer, scheduler) = Writer::<Toy>::start(counted.clone(), Health::default());
    let large = "x".repeat(1 << 20);
    let streams: Vec<StreamName> = (0..40).map(|_| stream()).collect();
    for stream in &streams {
        writer.submit(write(stream, &large)).await.unwrap().unwrap();
    }
    let read = async |stream: &StreamName| {
        counted.hooks.take();
        writer.submit(write(stream, "small")).await.unwrap().unwrap();
        counted.hooks.take()
    };
    // From the latest on: a state that is read again drives out another.
    let mut reads = vec![];
    for stream in streams.iter().rev() {
        reads.push(read(stream).await);
    }
    assert_eq!(reads[..31], [0; 31], "the latest 31 MiB are known");
    assert_eq!(reads[39], 1, "the first is not");
    drop(writer);
    scheduler.await.unwrap();
}

tests::on_both_logs! {
    a_group_is_bound_in_bytes
    a_group_is_bound_in_number
    a_command_that_is_larger_than_a_group_goes_alone
    known_states_are_bound_in_bytes
}
