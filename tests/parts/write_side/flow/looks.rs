//! Commands that wait for the next look at the views, as much was appended since the one before.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ::orders::OrderAggregate;
use command_api::write::{FlowControl, Rejected, Writer};
use futures::future::join_all;
use kernel::log::Position;
use shared::service::health::Health;
use tests::decorator::Decorator;
use tests::requests::request;
use tests::stores::TempDir;
use tests::{let_pass, orders};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Behind, create};

/// Nothing is held back for what the views are found to lack.
const LOOKS_ALONE: FlowControl =
    FlowControl { max_lag: Some(Duration::from_secs(3_600)), max_hold: Duration::from_secs(1) };
/// Orders of some 60 KiB: more bytes than may be appended between two looks, and no backlog.
const LARGE_ORDERS: usize = 14;

/// A write side whose views were looked at and have everything; what is appended waits for looks alone.
struct Looks {
    behind: Arc<Decorator<Behind>>,
    writer: Writer<OrderAggregate>,
    scheduler: JoinHandle<()>,
    _folder: TempDir,
}

impl Looks {
    async fn start() -> Self {
        let folder = TempDir::default();
        let behind = Decorator::over(Arc::new(folder.sqlite()), Behind::default());
        let (writer, scheduler) = Writer::start_with(behind.clone(), Health::of(&[]), LOOKS_ALONE);
        let looks = Self { behind, writer, scheduler, _folder: folder };
        looks.behind.hooks.views_are_at(0);
        looks.writer.submit(create()).await.unwrap().unwrap();
        looks.behind.hooks.until_held().await; // It was looked at them.
        looks.views_have_all().await;
        looks
    }

    async fn views_have_all(&self) {
        self.behind.hooks.views_are_at(Position::MAX);
        let_pass(Duration::from_millis(200)).await; // So it is seen at the next look.
    }

    /// The next look, for what is appended now, does not end until it is let.
    fn next_look_stays(&self) {
        self.behind.hooks.views_are_at(0);
        self.behind.hooks.stays.store(true, Ordering::SeqCst);
    }

    /// Appends the largest orders, and returns who they are.
    async fn append_much(&self) -> Vec<Uuid> {
        let items: Vec<_> =
            (0..500).map(|number| orders::item(&format!("{number:0>64}"), 1, 1)).collect();
        let ids: Vec<Uuid> = (0..LARGE_ORDERS).map(|_| Uuid::new_v4()).collect();
        let create = |id: &Uuid| self.writer.submit(request(orders::create_of(&items), *id, None));
        for outcome in join_all(ids.iter().map(create).collect::<Vec<_>>()).await {
            outcome.unwrap().unwrap();
        }
        ids
    }

    /// How long it takes until a small order is accepted, which has to wait.
    async fn waits(&self, look_ends: bool) -> Duration {
        let mut waiting = self.writer.submit(create());
        let_pass(Duration::from_millis(30)).await;
        assert!(waiting.try_recv().is_err(), "it waits for a look");
        let began = Instant::now();
        if look_ends {
            self.behind.hooks.goes_on.notify_one();
        }
        waiting.await.unwrap().unwrap();
        began.elapsed()
    }

    async fn end(self) {
        drop(self.writer);
        self.scheduler.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn behind_many_bytes_commands_wait_for_the_next_look() {
    let looks = Looks::start().await;
    looks.next_look_stays();
    looks.append_much().await;
    let waited = looks.waits(true).await;
    assert!(waited < Duration::from_millis(20), "the look wakes it: {waited:?}");
    looks.end().await;
}

#[tokio::test(start_paused = true)]
async fn commands_wait_no_longer_for_a_look_that_does_not_end() {
    let looks = Looks::start().await;
    looks.next_look_stays();
    looks.append_much().await;
    let waited = looks.waits(false).await;
    assert!(waited < Duration::from_millis(300), "{waited:?}");
    looks.behind.hooks.goes_on.notify_one();
    looks.end().await;
}

/// Views that have all there is do not move on, and are not stuck.
#[tokio::test(start_paused = true)]
async fn after_a_long_silence_many_bytes_are_looked_at_like_at_any_time() {
    let looks = Looks::start().await;
    let_pass(3 * LOOKS_ALONE.max_hold).await;
    looks.next_look_stays();
    looks.append_much().await;
    looks.waits(true).await;
    looks.end().await;
}

/// They lead to no work for the views.
#[tokio::test(start_paused = true)]
async fn refused_commands_for_large_orders_hold_up_nothing() {
    let looks = Looks::start().await;
    let ids = looks.append_much().await;
    looks.views_have_all().await;
    looks.next_look_stays();
    let ship = |id: &Uuid| looks.writer.submit(request(orders::shipment(), *id, None));
    for outcome in join_all(ids.iter().map(ship).collect::<Vec<_>>()).await {
        let outcome = outcome.unwrap();
        assert!(matches!(outcome, Err(Rejected::Refused(_))), "it is not paid: {outcome:?}");
    }
    let began = Instant::now();
    looks.writer.submit(create()).await.unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_millis(20), "{:?}", began.elapsed());
    looks.behind.hooks.goes_on.notify_one();
    looks.end().await;
}
