//! Commands that wait for their start: how many may, and what becomes of them while the log hangs.

use std::sync::Arc;

use ::orders::OrderAggregate;
use command_api::write::{Outcome, Rejected, Request, WAITING, WAITING_BYTES, Writer};
use futures::future::join_all;
use shared::event_store::EventStore;
use shared::service::health::Health;
use shared::service::metrics;
use tests::client::Answer;
use tests::decorator::Decorator;
use tests::held::Held;
use tests::orders;
use tests::requests::request;
use tests::serving::Serving;
use tests::stores::TempDir;
use tests::until;
use tokio::sync::oneshot::Receiver;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use uuid::Uuid;
use waybill::client::Client;
use waybill::import;

type Store = Arc<dyn EventStore>;

fn create(key: Option<&str>) -> Request<OrderAggregate> {
    request(orders::create(100), Uuid::new_v4(), key)
}

/// As if its JSON had so many bytes.
fn create_of(bytes: usize) -> Request<OrderAggregate> {
    Request { bytes, ..create(None) }
}

fn overdue(key: &str) -> Request<OrderAggregate> {
    Request { start_by: Instant::now(), ..create(Some(key)) }
}

/// A write side whose log hangs.
struct Hanging {
    held: Arc<Decorator<Held>>,
    writer: Writer<OrderAggregate>,
    scheduler: JoinHandle<()>,
}

impl Hanging {
    fn start(store: &Store) -> Self {
        let held = Held::over(store.clone());
        let (writer, scheduler) = Writer::start(held.clone(), Health::default());
        Self { held, writer, scheduler }
    }

    /// Both places for groups are taken, by one command each.
    async fn fill_places(&self) -> Vec<Receiver<Outcome>> {
        let mut started = vec![];
        for group in 1..=2 {
            started.push(self.writer.submit(create(None)));
            self.held.hooks.until_begun(group).await;
        }
        started
    }

    async fn end(self) {
        drop(self.writer);
        self.scheduler.await.unwrap();
    }
}

fn is_unavailable(outcome: &Outcome) -> bool {
    matches!(outcome, Err(Rejected::Unavailable(_)))
}

async fn all_accepted(waiting: Vec<Receiver<Outcome>>) {
    for outcome in join_all(waiting).await {
        outcome.unwrap().unwrap();
    }
}

async fn what_waits_is_bound_in_number(store: Store) {
    let hanging = Hanging::start(&store);
    let waiting = (0..WAITING).map(|_| hanging.writer.submit(create(None))).collect();
    let one_more = hanging.writer.submit(create(None)).await.unwrap();
    assert_eq!(one_more, Err(Rejected::Overloaded));
    hanging.held.hooks.release();
    all_accepted(waiting).await;
    all_accepted(vec![hanging.writer.submit(create(None))]).await;
    hanging.end().await;
    assert_eq!(store.head().await.unwrap(), WAITING as i64 + 1, "what was turned away is not done");
}

async fn what_waits_is_bound_in_bytes(store: Store) {
    let hanging = Hanging::start(&store);
    let waiting = (0..16).map(|_| hanging.writer.submit(create_of(WAITING_BYTES / 16))).collect();
    let one_more = hanging.writer.submit(create_of(1)).await.unwrap();
    assert_eq!(one_more, Err(Rejected::Overloaded));
    hanging.held.hooks.release();
    all_accepted(waiting).await;
    all_accepted(vec![hanging.writer.submit(create_of(WAITING_BYTES))]).await;
    hanging.end().await;
    assert_eq!(store.head().await.unwrap(), 17);
}

/// Single commands have the other half of the room, however many batches come.
async fn batches_fill_half_of_the_room(store: Store) {
    for (bytes, half) in [(1, WAITING / 2), (WAITING_BYTES / 16, 8)] {
        let before = store.head().await.unwrap();
        let hanging = Hanging::start(&store);
        let submit = |of_batch| hanging.writer.submit(Request { of_batch, ..create_of(bytes) });
        let mut taken = vec![];
        for of_batch in [true, false] {
            taken.extend((0..half).map(|_| submit(of_batch)));
            for _ in 0..half {
                let one_more = submit(of_batch).await.unwrap();
                assert_eq!(one_more, Err(Rejected::Overloaded), "of a batch: {of_batch}");
            }
        }
        hanging.held.hooks.release();
        all_accepted(taken).await;
        all_accepted(vec![submit(true)]).await;
        hanging.end().await;
        assert_eq!(store.head().await.unwrap() - before, 2 * half as i64 + 1);
    }
}

/// What is not started in time is answered while the log still hangs, and its key is free again.
async fn what_cannot_start_in_time_is_answered_as_not_done(store: Store) {
    let hanging = Hanging::start(&store);
    let started = hanging.fill_places().await;
    for _ in 0..2 {
        let outcome = hanging.writer.submit(overdue("k")).await.unwrap();
        assert!(is_unavailable(&outcome), "{outcome:?}");
    }
    hanging.held.hooks.release();
    all_accepted(started).await;
    hanging.end().await;
    assert_eq!(store.head().await.unwrap(), 2);
}

/// An outage leaves nothing behind that must be done before what comes after it.
async fn what_clients_have_left_is_dropped_before_it_starts(store: Store) {
    let hanging = Hanging::start(&store);
    let started = hanging.fill_places().await;
    let most = WAITING_BYTES / 16;
    let left: Vec<_> = (0..15)
        .map(|number| {
            let command = create(Some(&format!("left-{number}")));
            hanging.writer.submit(Request { bytes: most, ..command })
        })
        .collect();
    drop(left);
    // Their room and their keys are free before the log is back.
    let waiting = until("there is room again", || async {
        let command = Request { bytes: 15 * most, ..create(Some("left-0")) };
        let mut outcome = hanging.writer.submit(command);
        outcome.try_recv().is_err().then_some(outcome)
    })
    .await;
    hanging.held.hooks.release();
    all_accepted(vec![waiting]).await;
    all_accepted(started).await;
    let inserts = hanging.held.hooks.inserts.lock().unwrap().clone();
    assert_eq!(inserts, [1, 1, 1], "the new command is in the first insert after the outage");
    hanging.end().await;
    assert_eq!(store.head().await.unwrap(), 3, "none of those that were left was carried out");
}

/// Of three whose clients are gone, the two that have started are done.
async fn a_command_that_has_started_runs_to_its_end_without_its_client(store: Store) {
    let hanging = Hanging::start(&store);
    let started = hanging.fill_places().await;
    drop(started);
    drop(hanging.writer.submit(create(None)));
    hanging.held.hooks.release();
    hanging.end().await;
    assert_eq!(store.head().await.unwrap(), 2);
}

/// As clients see it: nothing of what is turned away is done, or even read.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_room_is_answered_with_429() {
    let folder = TempDir::default();
    let store: Store = Arc::new(folder.sqlite());
    let held = Held::over(store.clone());
    let serving = Serving::start(held.clone()).await;
    let fill = |of_batch| {
        let submit = |_| serving.service().writer.submit(Request { of_batch, ..create(None) });
        (0..WAITING / 2).map(submit).collect::<Vec<_>>()
    };
    let is_turned_away = |answer: Answer| {
        let told = (answer.status, answer.problem(), answer.header("retry-after"));
        assert_eq!(told, (429, "too-many-requests".to_owned(), Some("1")), "{:?}", answer.body);
    };
    let mut waiting = fill(true);
    let batch = [orders::to(Uuid::new_v4(), orders::create(100))];
    is_turned_away(serving.api.batch(&batch).await);
    is_turned_away(serving.api.post("/commands", "no JSON").await);
    let other = serving.api.post("/orders", "no JSON").await;
    assert_eq!(other.status, 400, "there is room for it: {:?}", other.body);
    waiting.extend(fill(false));
    is_turned_away(serving.api.create_order(&orders::order(100)).await);
    is_turned_away(serving.api.pay(Uuid::new_v4(), 100).await);
    held.hooks.release();
    all_accepted(waiting).await;
    assert_eq!(store.head().await.unwrap(), WAITING as i64, "what was turned away is not done");
    assert_eq!(serving.api.create_order(&orders::order(100)).await.status, 201);
    assert_eq!(serving.api.batch(&batch).await.json()["results"][0]["status"], 201);
    serving.stop().await;
}

/// Imports two orders.
async fn import(client: &Client, folder: &TempDir, name: &str) -> import::Report {
    let file = folder.0.join(name);
    let orders = [Uuid::new_v4(), Uuid::new_v4()].map(|id| orders::to(id, orders::create(100)));
    std::fs::write(&file, orders.map(|order| format!("{order}\n")).concat()).unwrap();
    let import = import::Import { file, concurrency: 1, stop: Default::default() };
    import.import(client).await.unwrap()
}

/// Whether commands of this type were turned away.
fn were_turned_away(kind: &str) -> bool {
    let told = String::from_utf8(metrics::text()).unwrap();
    let is_of_kind = |line: &&str| line.contains(kind) && line.contains("\"overloaded\"");
    told.lines().filter(is_of_kind).any(|line| !line.ends_with(" 0"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_sends_again_what_found_no_room() {
    let (folder, files) = (TempDir::default(), TempDir::default());
    let held = Held::over(Arc::new(folder.sqlite()));
    let serving = Serving::start(held.clone()).await;
    let submit = |_| serving.service().writer.submit(Request { of_batch: true, ..create(None) });
    // There is room for one of the first import's commands, and for none of the second's.
    let waiting: Vec<_> = (1..WAITING / 2).map(submit).collect();
    let first = import(&serving.client, &files, "first.ndjson");
    let second = async {
        until("a command is turned away", || async {
            were_turned_away("\"CreateOrder\"").then_some(())
        })
        .await;
        import(&serving.client, &files, "second.ndjson").await
    };
    let release = async {
        until("a batch is turned away", || async { were_turned_away("\"unread\"").then_some(()) })
            .await;
        held.hooks.release();
    };
    let (first, second, ()) = tokio::join!(first, second, release);
    for report in [first, second] {
        assert_eq!((report.accepted, report.all_refused()), (2, 0), "{report:?}");
    }
    all_accepted(waiting).await;
    serving.stop().await;
}

tests::on_both_logs! {
    what_waits_is_bound_in_number
    what_waits_is_bound_in_bytes
    batches_fill_half_of_the_room
    what_cannot_start_in_time_is_answered_as_not_done
    what_clients_have_left_is_dropped_before_it_starts
    a_command_that_has_started_runs_to_its_end_without_its_client
}
