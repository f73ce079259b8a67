//! How many clients that come back read at a time what they have missed.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::join_all;
use kernel::Result;
use query_api::live::{Bounds, answer};
use shared::auth::Caller;
use shared::view_store::{GenerationId, Place, Update, Updates, ViewStore};
use tests::orders::stream;
use tests::until::WAIT_TIMEOUT;
use tests::view_decorator::ViewHooks;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::Subject;
use super::reading::Losing;
use super::returning::{client, missed};

/// Views whose updates behind the first one are never read to the end. Their reader loses its
/// connection when it is told so.
#[derive(Default)]
struct Endless {
    lost: Arc<Notify>,
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
        told = timeout(WAIT_TIMEOUT, other) => {
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
        told = timeout(WAIT_TIMEOUT, told) => {
            assert_eq!(told.unwrap(), [(changed.clone(), 1)]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_for_what_it_missed_is_told_that_the_service_stops() {
    let (subject, _views) = Subject::hooked(Endless::default(), Bounds::default()).await;
    let last = missed(&subject, 3).await;
    let stop = async { subject.stop.cancel() };
    let opened = async { tokio::join!(subject.open_as(None, &[], Some(&last)), stop).0 };
    let refused = timeout(WAIT_TIMEOUT, opened).await.expect("it does not wait");
    assert_eq!(refused.err().map(|it| it.status), Some(503));
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_turn_does_not_come_is_told_so_after_5_s() {
    let (subject, _views) = Subject::hooked(Endless::default(), Bounds::default()).await;
    let slow = missed(&subject, 3).await;
    let quick = slow.replace(".0-1", ".0-2");
    let names: Vec<String> = (0..4).map(|number| number.to_string()).collect();
    let crowd = names.iter().map(|name| subject.open_as(client(name), &[], Some(&slow)));
    let (given, since) = (BTreeMap::new(), Instant::now());
    let of = (Caller::default(), None);
    let refused = tokio::select! {
        biased; // All turns are taken.
        _ = join_all(crowd) => panic!("they are never done"),
        answered = answer(&subject.service, &given, Some(&quick), false, of) => answered.err(),
    };
    let (status, detail) = refused.map(|it| (it.status, it.detail)).unwrap();
    assert_eq!((status, since.elapsed().as_secs()), (503, 5), "{detail}");
    assert!(detail.contains("Too many read what they missed"), "{detail}");
}

#[tokio::test(start_paused = true)]
async fn clients_that_leave_give_back_their_turns() {
    let (subject, _views) = Subject::hooked(Endless::default(), Bounds::default()).await;
    let slow = missed(&subject, 3).await;
    let quick = slow.replace(".0-1", ".0-2");
    {
        let names: Vec<String> = (0..10).map(|number| number.to_string()).collect();
        let crowd = names.iter().map(|name| subject.open_as(client(name), &[], Some(&slow)));
        // Some of them read, and the others wait.
        let gone = timeout(WAIT_TIMEOUT, join_all(crowd)).await;
        assert!(gone.is_err(), "they are never done");
    }
    let opened = timeout(WAIT_TIMEOUT, subject.open_as(client("other"), &[], Some(&quick))).await;
    let opened = opened.expect("it has its turn").map_err(|it| it.detail);
    opened.unwrap().views::<2>().await;
}
