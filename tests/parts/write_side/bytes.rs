//! What the write side holds and sends is bound by bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use command_api::write::{Request, Writer};
use futures::future::join_all;
use kernel::aggregate::{Aggregate, CommandContext, Envelope, Invalid, Refusal, Resource};
use kernel::log::{Event, Meta, StreamName, Version};
use serde_json::{Value, json};
use shared::event_store::{EventStore, Part};
use shared::service::health::Health;
use tests::held::Held;
use tests::wrapped::{Hooks, Wrapped};
use tokio::time::Instant;
use uuid::Uuid;

type Store = Arc<dyn EventStore>;

/// Remembers the latest text.
struct Memo;

impl Aggregate for Memo {
    type State = String;
    type Command = String;
    type Event = String;

    const CATEGORY: &'static str = "memo";
    const STATE_VERSION: u32 = 1;
    const RESOURCE: Resource =
        Resource { name: "memo", path: "memos", id: "id", create: "Create", actions: &[] };

    fn parse(_: Value, _: &CommandContext) -> Result<Envelope<String>, Invalid> {
        Err(Invalid::new("no command is read here"))
    }

    fn decide(_: &String, command: &String) -> Result<Vec<String>, Refusal> {
        Ok(vec![command.clone()])
    }

    fn evolve(state: &mut String, event: &String) {
        state.clone_from(event);
    }

    fn encode(event: &String) -> Result<(String, u32, Value), Invalid> {
        Ok(("Written".to_owned(), 1, json!(event)))
    }

    fn decode(event: &Event) -> Result<String, Invalid> {
        Ok(event.data.as_str().unwrap_or_default().to_owned())
    }
}

fn stream() -> StreamName {
    StreamName::new(Memo::CATEGORY, Uuid::new_v4())
}

fn write(stream: &StreamName, text: &str) -> Request<Memo> {
    Request {
        stream: stream.clone(),
        command: text.to_owned(),
        bytes: text.len(),
        start_by: Instant::now() + Duration::from_secs(60),
        fresh: false,
        expected: None,
        key: None,
        fingerprint: String::new(),
        sequence: None,
        meta: Meta::default(),
    }
}

/// The entries of each insert when so many commands of so many bytes wait for the log.
async fn inserts(store: Store, commands: usize, bytes: usize) -> Vec<usize> {
    let held = Held::over(store);
    let (writer, desk) = Writer::<Memo>::start(held.clone(), Health::default());
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
    desk.await.unwrap();
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

/// Counts the commits that are read to know a stream.
#[derive(Default)]
struct Counted(AtomicUsize);

#[async_trait]
impl Hooks for Counted {
    async fn read_streams(
        &self,
        store: &dyn EventStore,
        above: &[(&StreamName, Version)],
    ) -> kernel::Result<Part> {
        let found = store.read_streams(above).await?;
        self.0.fetch_add(found.commits.len(), Ordering::SeqCst);
        Ok(found)
    }
}

/// 40 states of 1 MiB: the latest are known, the earliest are forgotten and read again.
async fn known_states_are_bound_in_bytes(store: Store) {
    let counted = Wrapped::over(store, Counted::default());
    let (writer, desk) = Writer::<Memo>::start(counted.clone(), Health::default());
    let large = "x".repeat(1 << 20);
    let streams: Vec<StreamName> = (0..40).map(|_| stream()).collect();
    for stream in &streams {
        writer.submit(write(stream, &large)).await.unwrap().unwrap();
    }
    let read = async |stream: &StreamName| {
        counted.hooks.0.store(0, Ordering::SeqCst);
        writer.submit(write(stream, "small")).await.unwrap().unwrap();
        counted.hooks.0.load(Ordering::SeqCst)
    };
    // From the latest on: a state that is read again drives out another.
    let mut reads = vec![];
    for stream in streams.iter().rev() {
        reads.push(read(stream).await);
    }
    assert_eq!(reads[..31], [0; 31], "the latest 31 MiB are known");
    assert_eq!(reads[39], 1, "the first is not");
    drop(writer);
    desk.await.unwrap();
}

tests::on_both_logs! {
    a_group_is_bound_in_bytes
    a_group_is_bound_in_number
    a_command_that_is_larger_than_a_group_goes_alone
    known_states_are_bound_in_bytes
}
