//! What clients that come back have missed, and how much of it is loaded at a time.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::future::join_all;
use kernel::Result;
use kernel::views::{Batch, Read};
use query_api::live::Bounds;
use shared::http::Client;
use shared::view_store::{GenerationId, Reading, ViewStore};
use tests::orders::stream;
use tests::until;
use tests::view_decorator::ViewHooks;
use tokio::sync::Semaphore;

use super::Subject;

/// Clients whose missed changes are loaded at a time.
const AT_A_TIME: usize = 4;
/// Views that are loaded at a time.
const PAGE: usize = 100;

/// Views that let each read of a whole page wait until it is allowed.
struct Gated {
    begun: AtomicUsize,
    gate: Semaphore,
}

impl Gated {
    fn new() -> Self {
        Self { begun: AtomicUsize::new(0), gate: Semaphore::new(0) }
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    /// How many have begun once no more do. All tasks run on this thread.
    async fn all_begun(&self) -> usize {
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        self.begun()
    }
}

#[async_trait]
impl ViewHooks for Gated {
    async fn read(
        &self,
        views: &dyn ViewStore,
        generation: &GenerationId,
        batch: &Batch,
    ) -> Result<Reading> {
        let is_page = |read: &Read| matches!(read, Read::Views(streams) if streams.len() == PAGE);
        if batch.reads().iter().any(is_page) {
            self.begun.fetch_add(1, Ordering::SeqCst);
            self.gate.acquire().await.unwrap().forget();
        }
        views.read(generation, batch).await
    }
}

/// The id of an event behind which so many orders have changed.
pub(super) async fn missed(subject: &Subject, orders: usize) -> String {
    for _ in 0..=orders {
        subject.change(&stream(), 1, "x", "created").await;
    }
    format!("{}.{}.0-1", subject.live.log, subject.live.id)
}

#[tokio::test]
async fn what_clients_have_missed_is_loaded_for_few_of_them_at_a_time() {
    let (subject, views) = Subject::hooked(Gated::new(), Bounds::default()).await;
    let last = missed(&subject, PAGE).await;
    // All of them are open before one loads anything.
    let open = |_| subject.open(&[("data", "none")], Some(&last));
    let mut clients = join_all((0..5 * AT_A_TIME).map(open)).await;
    assert_eq!(views.hooks.all_begun().await, AT_A_TIME);
    views.hooks.gate.add_permits(clients.len());
    for client in &mut clients {
        client.views::<PAGE>().await;
    }
}

/// What changes while a client is told what it missed waits for it, however long that takes.
#[tokio::test(start_paused = true)]
async fn a_client_that_catches_up_is_told_what_changes_meanwhile() {
    let (subject, views) = Subject::hooked(Gated::new(), Bounds::default()).await;
    let last = missed(&subject, PAGE).await;
    let mut quick = subject.open(&[], None).await;
    let mut returns = subject.open(&[("data", "none")], Some(&last)).await;
    let changed = stream();
    for version in 1..=400 {
        subject.change(&changed, version, "x", "created").await;
        assert_eq!(quick.views().await, [(changed.clone(), version)]);
    }
    views.hooks.gate.add_permits(1);
    returns.views::<PAGE>().await;
    for version in 1..=400 {
        assert_eq!(returns.views().await, [(changed.clone(), version)]);
    }
}

pub(super) fn client(name: &str) -> Option<Client> {
    Some(Client::Principal(name.to_owned()))
}

#[tokio::test]
async fn of_one_client_less_is_loaded_than_of_all() {
    let (subject, views) = Subject::hooked(Gated::new(), Bounds::default()).await;
    let last = missed(&subject, PAGE).await;
    let mut clients = vec![];
    for (name, begun) in [("a", 2), ("b", 4)] {
        // All of them are open before one loads anything.
        let open = |_| subject.open_as(client(name), &[("data", "none")], Some(&last));
        clients.extend(join_all((0..3).map(open)).await);
        assert_eq!(views.hooks.all_begun().await, begun, "{name}");
    }
    views.hooks.gate.add_permits(clients.len());
    for client in clients {
        client.map_err(|it| it.detail).unwrap().views::<PAGE>().await;
    }
}

#[tokio::test]
async fn for_a_client_that_left_nothing_more_is_loaded() {
    // The names of what one client has missed, and not those of two.
    let bounds = Bounds { missed: 150 << 10, ..Bounds::default() };
    let (subject, views) = Subject::hooked(Gated::new(), bounds).await;
    let last = missed(&subject, 10 * PAGE).await;
    // None of it fits: nothing is ever sent.
    let open = || subject.open(&[("customer_id", "y")], Some(&last));
    let left = open().await;
    assert_eq!(views.hooks.all_begun().await, 1);
    drop(left);
    views.hooks.gate.add_permits(1);
    let again = || async {
        let mut again = open().await;
        let next = again.body.next().await.unwrap().unwrap();
        assert_eq!(next, "retry: 1000\n\n");
        // None of what was missed fits; a reset would come before the checkpoint.
        let next = String::from_utf8(again.body.next().await.unwrap().unwrap().into()).unwrap();
        next.contains("event: checkpoint").then_some(())
    };
    until("what was kept for it is given up", again).await;
    assert!(views.hooks.begun() <= 2, "one page for each of the two");
}
