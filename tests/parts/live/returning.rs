//! What clients that come back may take of the reads that all share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::future::join_all;
use futures::{FutureExt as _, StreamExt as _};
use kernel::views::{Batch, Read};
use kernel::{Failure, Result};
use query_api::live::Bounds;
use shared::http::Client;
use shared::view_store::{GenerationId, Place, Reading, Update, Updates, ViewStore};
use tests::orders::stream;
use tests::until;
use tests::until::WAIT_TIMEOUT;
use tests::view_decorator::ViewHooks;
use tokio::sync::{Notify, Semaphore};

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
async fn missed(subject: &Subject, orders: usize) -> String {
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

/// Views whose updates behind the first one are never read to the end. Their reader loses its
/// connection when it is told so.
#[derive(Default)]
struct Endless {
    lost: Arc<Notify>,
}

/// Updates that are lost when it is told so.
pub(super) struct Losing {
    pub updates: Box<dyn Updates>,
    pub lost: Arc<Notify>,
}

#[async_trait]
impl Updates for Losing {
    async fn next(&mut self) -> Result<Vec<Update>> {
        tokio::select! {
            biased;
            () = self.lost.notified() => Err(Failure::transient("following", "it is lost")),
            news = self.updates.next() => news,
        }
    }

    fn place(&self) -> Place {
        self.updates.place()
    }
}

#[async_trait]
impl ViewHooks for Endless {
    async fn updates(
        &self,
        views: &dyn ViewStore,
        generation: &GenerationId,
    ) -> Result<Box<dyn Updates>> {
        let updates = views.updates(generation).await?;
        Ok(Box::new(Losing { updates, lost: self.lost.clone() }))
    }

    async fn updates_since(
        &self,
        views: &dyn ViewStore,
        generation: &GenerationId,
        after: Place,
        max_streams: usize,
    ) -> Result<Option<Vec<(Place, Update)>>> {
        if after == Place(0, 1) {
            std::future::pending::<()>().await;
        }
        views.updates_since(generation, after, max_streams).await
    }
}

fn client(name: &str) -> Option<Client> {
    Some(Client::Principal(name.to_owned()))
}

#[tokio::test(start_paused = true)]
async fn a_crowd_of_one_client_that_comes_back_holds_up_no_other() {
    let (subject, _views) = Subject::hooked(Endless::default(), Bounds::default()).await;
    let slow = missed(&subject, 3).await;
    let quick = slow.replace(".0-1", ".0-2");
    let crowd = (0..10).map(|_| subject.open_as(client("crowd"), &[], Some(&slow)));
    let other = async {
        let opened = subject.open_as(client("other"), &[], Some(&quick)).await;
        opened.map_err(|it| it.detail).unwrap().views::<2>().await
    };
    tokio::select! {
        biased; // The crowd comes first.
        _ = join_all(crowd) => panic!("they are never done"),
        told = tokio::time::timeout(WAIT_TIMEOUT, other) => {
            assert!(told.is_ok(), "it waits for them");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_reader_of_updates_does_not_wait_for_clients_that_come_back() {
    let (subject, views) = Subject::hooked(Endless::default(), Bounds::default()).await;
    let slow = missed(&subject, 3).await;
    let mut open = subject.open(&[], None).await;
    let names: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    let crowd = names.iter().map(|name| subject.open_as(client(name), &[], Some(&slow)));
    let changed = stream();
    let told = async {
        views.hooks.lost.notify_one();
        subject.change(&changed, 1, "x", "created").await;
        open.views::<1>().await
    };
    tokio::select! {
        biased; // All turns are taken.
        _ = join_all(crowd) => panic!("they are never done"),
        told = tokio::time::timeout(WAIT_TIMEOUT, told) => {
            assert_eq!(told.unwrap(), [(changed.clone(), 1)]);
        }
    }
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
        // A reset would come at once.
        again.body.next().now_or_never().is_none().then_some(())
    };
    until("what was kept for it is given up", again).await;
    assert!(views.hooks.begun() <= 2, "one page for each of the two");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_for_what_it_missed_is_told_that_the_service_stops() {
    let (subject, _views) = Subject::hooked(Endless::default(), Bounds::default()).await;
    let last = missed(&subject, 3).await;
    let stop = async { subject.stop.cancel() };
    let opened = async { tokio::join!(subject.open_as(None, &[], Some(&last)), stop).0 };
    let refused = tokio::time::timeout(WAIT_TIMEOUT, opened).await.expect("it does not wait");
    assert_eq!(refused.err().map(|it| it.status), Some(503));
}
