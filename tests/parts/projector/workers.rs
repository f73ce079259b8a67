//! Which generation a worker serves, and which ones it discards.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use kernel::Timestamp;
use kernel::log::LogId;
use projector::{Operations, admin};
use shared::event_store::EventStore as _;
use shared::http::{Hosts, Limits, serve};
use shared::service::health::Health;
use shared::service::slot::ServiceSlot;
use shared::view_store::{Generation, Progress, ViewStore as _};
use tests::orders::{created, paid, stream};
use tests::subject::Subject;
use tests::working::{Worker, projection};
use tests::{Own, comes, until};
use tokio_util::sync::CancellationToken;
use waybill::client::Client;

/// The feed brings something else all the time: what is appended reaches the views by the healer.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_healer_of_any_worker_repaired_is_told_by_each() {
    let own = Own::default();
    let (store, views) = (Arc::new(own.mongodb().await), Arc::new(own.redis().await));
    let subject = Subject::new(store, views.clone()).await;
    let other = stream();
    let events = subject.append(&other, 1, &[created(&other, 9)]).await;
    views.remove(&subject.generation).await.unwrap();
    let workers =
        [Worker::start(&own, "one", &events).await, Worker::start(&own, "two", &events).await];
    for worker in &workers {
        worker.until_it_leaves(None).await;
    }
    let lost = stream();
    let last = subject.append(&lost, 1, &[created(&lost, 9), paid(1)]).await[1].position;
    let flow = until("the checkpoint passes what was lost", || async {
        let flow = workers[0].operations.flow().await.unwrap();
        (flow.checkpoint == Some(last)).then_some(flow)
    })
    .await;
    assert_eq!((flow.head, flow.repaired), (last, Some(1)), "{flow:?}");
    assert_eq!((flow.published, flow.waiting), (Some(0), None), "no relay, and no queue");
    let told = workers[1].operations.flow().await.unwrap();
    assert_eq!(told.repaired, Some(1), "one of the two has healed, and both tell: {told:?}");
    for worker in workers {
        worker.stop().await;
    }
    let later = Worker::start(&own, "three", &events).await;
    later.until_it_leaves(None).await;
    assert_eq!(later.operations.flow().await.unwrap().repaired, Some(1), "it is kept");
    later.stop().await;
    own.remove().await;
}

async fn post(operations: &Operations, path: &str) -> StatusCode {
    let slot = ServiceSlot::default();
    slot.fill(operations.clone());
    let (routes, _) = admin::routes(slot, Health::default(), None);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(&format!("http://{}", listener.local_addr().unwrap()));
    let stop = CancellationToken::new();
    let served =
        tokio::spawn(serve(listener, routes, Hosts::default(), Limits::default(), stop.clone()));
    let answer = client.post(path, &[], "").await.unwrap();
    stop.cancel();
    served.await.unwrap();
    answer.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_of_other_views_neither_makes_nor_repairs_the_live_ones() {
    let own = Own::default();
    let views = own.redis().await;
    let log = own.mongodb().await.log_id().await.unwrap();
    let version = projection();
    let live = Generation::new(log.clone(), version + 1);
    assert!(views.begin(&live).await.unwrap() && views.promote(None, &live.id).await.unwrap());
    let older = Worker::start(&own, "older", &[]).await;
    for path in ["/rebuild", "/parked/order-x/retry"] {
        assert_eq!(post(&older.operations, path).await, StatusCode::SERVICE_UNAVAILABLE, "{path}");
    }
    assert_eq!(views.building().await.unwrap(), None);
    older.stop().await;
    own.remove().await;
}

/// A generation of a newer projection that was begun two minutes ago.
fn begun_long_ago(log: &LogId) -> Generation {
    let created_at = Timestamp::from_millis(Timestamp::now().as_millis() - 120_000);
    Generation { created_at, ..Generation::new(log.clone(), projection() + 1) }
}

/// What was begun by a worker that is gone does not stand in the way for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_generation_that_can_not_be_made_any_more_is_discarded() {
    let own = Own::default();
    let views = own.redis().await;
    let worker = Worker::start(&own, "one", &[]).await;
    let live = worker.until_it_leaves(None).await;
    let log = own.mongodb().await.log_id().await.unwrap();
    for wedge in [
        Generation::new(log.clone(), projection() - 1),
        Generation::new(LogId::random(), projection()),
        begun_long_ago(&log),
    ] {
        assert!(views.begin(&wedge).await.unwrap());
        until("it is discarded", || async {
            views.building().await.unwrap().is_none().then_some(())
        })
        .await;
    }
    assert_eq!(views.live().await.unwrap().unwrap().id, live);
    // Its keys go first, then its description.
    until("only the live one is described", || async {
        (views.generations().await.unwrap().len() == 1).then_some(())
    })
    .await;
    worker.stop().await;
    own.remove().await;
}

/// An upgrade that was taken back before its views were made, where there are no others.
#[tokio::test(flavor = "multi_thread")]
async fn views_that_an_upgrade_began_and_left_behind_do_not_keep_others_from_being_made() {
    let own = Own::default();
    let views = own.redis().await;
    let log = own.mongodb().await.log_id().await.unwrap();
    let left = begun_long_ago(&log);
    assert!(views.begin(&left).await.unwrap());
    let worker = Worker::start(&own, "one", &[]).await;
    let served = worker.until_it_leaves(None).await;
    let live = views.live().await.unwrap().unwrap();
    assert_eq!((&live.id, live.projection), (&served, projection()));
    assert_eq!(views.building().await.unwrap(), None);
    worker.stop().await;
    own.remove().await;
}

/// Older workers leave alone what newer ones make, as long as there is a sign of them.
#[tokio::test(flavor = "multi_thread")]
async fn views_that_an_upgrade_is_making_are_not_discarded() {
    let own = Own::default();
    let views = own.redis().await;
    let worker = Worker::start(&own, "one", &[]).await;
    worker.until_it_leaves(None).await;
    let log = own.mongodb().await.log_id().await.unwrap();
    let some_looks = Duration::from_secs(2);
    let discarded = || async { views.building().await.unwrap().is_none().then_some(()) };
    let fresh = Generation::new(log.clone(), projection() + 1);
    assert!(views.begin(&fresh).await.unwrap());
    assert_eq!(comes(some_looks, discarded).await, None, "it was begun just now");
    views.remove(&fresh.id).await.unwrap();
    let reported = begun_long_ago(&log);
    let at = Timestamp::now();
    let progress = Progress { at, reached: 0, head: 9, outrun: false, complete_until: None };
    views.report(&reported.id, &progress).await.unwrap(); // Before a look can find it without.
    assert!(views.begin(&reported).await.unwrap());
    assert_eq!(comes(some_looks, discarded).await, None, "it was reported just now");
    views.remove(&reported.id).await.unwrap();
    let leased = begun_long_ago(&log);
    let term = Duration::from_secs(5);
    // As `begin` and `lease` are two steps, a look between them finds no lease: begin it again then.
    let begun = until("a newer worker has its lease", || async {
        let begun = views.begin(&leased).await.unwrap();
        (begun && views.lease(&leased.id, "newer", term).await.unwrap()).then_some(())
    });
    begun.await;
    assert_eq!(comes(some_looks, discarded).await, None, "it is leased");
    // The newer worker is gone: its lease ends, and nothing was reported.
    until("it is discarded", discarded).await;
    worker.stop().await;
    own.remove().await;
}
