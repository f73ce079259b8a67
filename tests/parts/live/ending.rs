//! How streams of events end: with the service, or with the task that tells them.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::contract::ReadContract;
use kernel::live::{Filter, Live, Shown};
use kernel::parameters::{self, Parameters};
use kernel::projection::Stored;
use kernel::query::{self, Queries, Question, Reply, Views};
use orders::OrderQueries;
use query_api::Service;
use query_api::live::Bounds;
use tests::orders::stream;

use super::Subject;
use super::telling::{Fault, Faulty};

/// Changes three orders; the id of the event that told the first.
async fn behind_first(subject: &Subject) -> String {
    for _ in 0..3 {
        subject.change(&stream(), 1, "x", "created").await;
    }
    format!("{}.{}.0-1", subject.live.log, subject.live.id)
}

#[tokio::test]
async fn streams_of_events_end_with_the_service() {
    let subject = Subject::new().await;
    let mut client = subject.open(&[], None).await;
    subject.stop.cancel();
    assert_eq!(client.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn streams_end_with_the_service_although_reads_are_not_answered() {
    let (subject, views) = Subject::hooked(Faulty::default(), Bounds::default()).await;
    let mut client = subject.open(&[], None).await;
    views.hooks.set(Some(Fault::ReadsHang));
    subject.change(&stream(), 1, "x", "created").await;
    views.hooks.until_met().await;
    subject.stop.cancel();
    assert_eq!(client.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn streams_end_with_the_task_that_tells_them_and_later_ones_are_told() {
    let (subject, views) = Subject::hooked(Faulty::default(), Bounds::default()).await;
    let mut client = subject.open(&[], None).await;
    views.hooks.set(Some(Fault::ReadsPanic));
    subject.change(&stream(), 1, "x", "created").await;
    assert_eq!(client.next().await, None);
    views.hooks.set(None);
    let (mut client, changed) = (subject.open(&[], None).await, stream());
    subject.change(&changed, 1, "x", "created").await;
    assert_eq!(client.views().await, [(changed, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_missed_changes_are_not_read_to_the_end_is_told_nothing_behind_them() {
    let (subject, views) = Subject::hooked(Faulty::default(), Bounds::default()).await;
    let last = behind_first(&subject).await;
    views.hooks.set(Some(Fault::ReadsPanic));
    assert_eq!(subject.open(&[], Some(&last)).await.next().await, None);
    views.hooks.set(Some(Fault::LoadsFail));
    assert_eq!(subject.open(&[], Some(&last)).await.next().await, None);
    views.hooks.set(Some(Fault::ReadsFail));
    assert!(subject.open_as(None, &[], Some(&last)).await.is_err());
    views.hooks.set(None);
    subject.open(&[], Some(&last)).await.views::<2>().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_catches_up_ends_with_the_service() {
    let (subject, views) = Subject::hooked(Faulty::default(), Bounds::default()).await;
    let last = behind_first(&subject).await;
    views.hooks.set(Some(Fault::ReadsHang));
    let mut client = subject.open(&[], Some(&last)).await;
    views.hooks.until_met().await;
    subject.stop.cancel();
    assert_eq!(client.next().await, None);
}

/// Orders, of which some can't be shown without a panic.
struct Panicking;

impl Live for Panicking {
    fn filter(&self, parameters: &mut Parameters<'_>) -> Result<Filter, parameters::Error> {
        OrderQueries.filter(parameters)
    }

    fn show(&self, view: Stored) -> kernel::Result<Shown> {
        assert!(
            !String::from_utf8_lossy(&view.document).contains("panics"),
            "the fault of this test"
        );
        OrderQueries.show(view)
    }

    fn owned(&self, filter: Filter, owner: &str) -> Filter {
        OrderQueries.owned(filter, owner)
    }
}

#[async_trait]
impl Queries for Panicking {
    fn contract(&self) -> ReadContract {
        OrderQueries.contract()
    }

    async fn answer(
        &self,
        views: &dyn Views,
        question: &Question,
    ) -> Result<Option<Reply>, query::Error> {
        OrderQueries.answer(views, question).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_view_that_panics_when_it_is_shown_ends_no_stream() {
    let subject = Subject::new().await;
    let (queries, stop) = (Arc::new(Panicking), subject.stop.clone());
    let service = Service::new(subject.views.clone(), queries, stop);
    let subject = Subject { service, ..subject };
    let (mut client, whole) = (subject.open(&[], None).await, stream());
    subject.change_noting(&stream(), 1, ("x", "created"), "it panics").await;
    subject.change(&whole, 1, "x", "created").await;
    assert_eq!(client.views().await, [(whole, 1)]);
}
