//! Code that does not return, or panics, while updates are read, or told: the liveness ends as long as it does
//! not return.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kernel::Result;
use kernel::views::{Batch, Read};
use orders::OrderQueries;
use query_api::Service;
use query_api::live::Bounds;
use shared::service::liveness::Liveness;
use shared::view_store::{GenerationId, Reading, Updates, ViewStore};
use tests::door::Door;
use tests::orders::stream;
use tests::until;
use tests::view_decorator::{ViewDecorator, ViewHooks};

use super::Subject;
use super::telling::{Fault, Faulty};

/// The reader looks at the views every second; the rest is for a busy machine.
const PATIENCE: Duration = Duration::from_secs(4);

/// Views of which one read of updates, or of views, may not return.
#[derive(Default)]
struct Wedged {
    updates: Door,
    views: Door,
}

#[async_trait]
impl ViewHooks for Wedged {
    async fn updates(
        &self,
        views: &dyn ViewStore,
        generation: &GenerationId,
    ) -> Result<Box<dyn Updates>> {
        self.updates.pass();
        views.updates(generation).await
    }

    async fn read(
        &self,
        views: &dyn ViewStore,
        generation: &GenerationId,
        batch: &Batch,
    ) -> Result<Reading> {
        if batch.reads().iter().any(|read| matches!(read, Read::Views(_))) {
            self.views.pass();
        }
        views.read(generation, batch).await
    }
}

async fn watched<H: ViewHooks>(
    hooks: H,
    patience: Duration,
) -> (Subject, Arc<ViewDecorator<H>>, Liveness) {
    let (subject, views) = Subject::hooked(hooks, Bounds::default()).await;
    let (queries, stop) = (Arc::new(OrderQueries), subject.stop.clone());
    let liveness = Liveness::with_patience(patience);
    let service = Service::watched(views.clone(), queries, stop, &liveness);
    (Subject { service, ..subject }, views, liveness)
}

async fn until_stuck(liveness: &Liveness, works: &[&'static str]) {
    until(&format!("{works:?} are stuck, and nothing else"), || async {
        liveness.stuck().into_keys().eq(works.iter().copied()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_of_updates_that_does_not_return_ends_the_liveness() {
    let (subject, views, liveness) = watched(Wedged::default(), PATIENCE).await;
    let held = views.hooks.updates.shut();
    let (mut client, ()) = tokio::join!(subject.open(&[], None), async {
        until_stuck(&liveness, &["reader"]).await;
        drop(held);
    });
    until_stuck(&liveness, &[]).await;
    let changed = stream();
    subject.change(&changed, 1, "x", "created").await;
    assert_eq!(client.views().await, [(changed, 1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn telling_changes_that_does_not_return_ends_the_liveness() {
    let (subject, views, liveness) = watched(Wedged::default(), PATIENCE).await;
    let mut client = subject.open(&[], None).await;
    let held = views.hooks.views.shut();
    let changed = stream();
    subject.change(&changed, 1, "x", "created").await;
    until_stuck(&liveness, &["live"]).await;
    drop(held);
    assert_eq!(client.views().await, [(changed, 1)]);
    until_stuck(&liveness, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_has_to_get_on_while_there_is_no_stream() {
    let (subject, _views, liveness) = watched(Wedged::default(), Duration::ZERO).await;
    assert!(liveness.stuck().is_empty());
    let client = subject.open(&[], None).await;
    until_stuck(&liveness, &["live", "reader"]).await;
    drop(client);
    until_stuck(&liveness, &[]).await;
}

/// The next stream begins anew what the panic has ended; until then nothing is read or told.
#[tokio::test(start_paused = true)]
async fn nothing_has_to_get_on_after_a_panic() {
    for fault in [Fault::UpdatesPanic, Fault::ReadsPanic] {
        let (subject, views, liveness) = watched(Faulty::default(), Duration::ZERO).await;
        views.hooks.set(Some(fault));
        if let Ok(mut client) = subject.open_as(None, &[], None).await {
            subject.change(&stream(), 1, "x", "created").await;
            assert_eq!(client.next().await, None);
        }
        until_stuck(&liveness, &[]).await;
    }
}
