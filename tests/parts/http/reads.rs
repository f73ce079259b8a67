//! Reads of the log over HTTP: how many at a time, and for how long.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use kernel::Result;
use kernel::log::{StreamName, Version};
use shared::event_store::{EventStore, Part};
use tests::decorator::{Decorator, Hooks};
use tests::let_pass;
use tests::serving::Serving;
use tests::stores::TempDir;
use tests::until;

/// How long one read takes.
const READ: Duration = Duration::from_millis(10);
/// For a read beside folds that do not end.
const SOON: Duration = Duration::from_secs(5);

/// Reads of folds, after which all that were asked for are under way.
const UNDER_WAY: usize = 200;

/// A log in which no stream has an end.
#[derive(Default)]
struct Endless {
    /// Reads behind an event.
    reads: AtomicUsize,
}

#[async_trait]
impl Hooks for Endless {
    async fn read_streams(
        &self,
        store: &dyn EventStore,
        above: &[(&StreamName, Version)],
    ) -> Result<Part> {
        let part = store.read_streams(above).await?;
        self.reads.fetch_add(above.iter().filter(|it| it.1 > 0).count(), Ordering::SeqCst);
        let_pass(READ).await;
        Ok(Part { complete: false, ..part })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn states_of_long_orders_leave_room_for_other_reads_and_end() {
    let folder = TempDir::default();
    let endless = Decorator::over(Arc::new(folder.sqlite()), Endless::default());
    let serving = Serving::start(endless.clone()).await;
    let (long, other) = (serving.api.create_lamp(5).await, serving.api.create_lamp(5).await);
    // All places for reads several times over.
    let path = format!("/orders/{}/state", long.order_id());
    let states = join_all((0..40).map(|_| serving.api.get(&path)));
    let others = async {
        until("the folds are under way", || async {
            (endless.hooks.reads.load(Ordering::SeqCst) > UNDER_WAY).then_some(())
        })
        .await;
        let events = format!("/orders/{}/events", other.order_id());
        for path in [events.as_str(), "/events"] {
            let read = tokio::time::timeout(SOON, serving.api.get(path));
            let read = read.await.expect("it does not wait for the states");
            assert_eq!(read.status, 200, "{path}: {:?}", read.body);
        }
    };
    let (states, ()) = tokio::join!(states, others);
    for state in states {
        assert_eq!((state.status, &*state.problem()), (503, "unavailable"), "{:?}", state.body);
        assert_eq!(state.header("retry-after"), Some("1"));
    }
    serving.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_the_log_has_1000_events_at_most() {
    let folder = TempDir::default();
    let serving = Serving::start(Arc::new(folder.sqlite())).await;
    let order = serving.api.create_lamp(5).await.order_id();
    for path in ["/events".to_owned(), format!("/orders/{order}/events")] {
        let most = serving.api.get(&format!("{path}?limit=1000")).await;
        assert_eq!(most.status, 200, "{path}: {:?}", most.body);
        for limit in ["1001", "1000000", "0", "-1", "99999999999999999999", "ten"] {
            let refused = serving.api.get(&format!("{path}?limit={limit}")).await;
            let told = (refused.status, refused.problem());
            assert_eq!(told, (400, "malformed".to_owned()), "{path} {limit}");
        }
    }
    serving.stop().await;
}
