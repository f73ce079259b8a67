//! Streams of events, over views in memory.

mod bounds;
mod checkpoints;
mod ending;
mod large;
mod reading;
mod returning;
mod telling;
mod turns;
mod wedged;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt as _;
use kernel::log::{LogId, StreamName, Version};
use kernel::projection::Change;
use orders::OrderQueries;
use query_api::Service;
use query_api::live::{Body, Bounds, Wanted};
use serde_json::json;
use shared::http::Client;
use shared::http::problem::Problem;
use shared::service::liveness::Liveness;
use shared::view_store::memory::Memory;
use shared::view_store::{Applied, Generation, ViewStore};
use tests::live::{LiveEvent, Parser};
use tests::orders::stream;
use tests::prometheus::counted_here;
use tests::until::WAIT_TIMEOUT;
use tests::view_decorator::{ViewDecorator, ViewHooks};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

struct Subject {
    views: Arc<Memory>,
    service: Service,
    live: Generation,
    stop: CancellationToken,
}

impl Subject {
    async fn new() -> Self {
        Self::bounded(Bounds::default()).await
    }

    async fn bounded(bounds: Bounds) -> Self {
        let views = Arc::new(Memory::default());
        Self::over(views.clone(), views, bounds).await
    }

    /// One whose service reads the views by these hooks.
    async fn hooked<H: ViewHooks>(hooks: H, bounds: Bounds) -> (Self, Arc<ViewDecorator<H>>) {
        let views = Arc::new(Memory::default());
        let hooked = ViewDecorator::over(views.clone(), hooks);
        (Self::over(views, hooked.clone(), bounds).await, hooked)
    }

    async fn over(views: Arc<Memory>, read: Arc<dyn ViewStore>, bounds: Bounds) -> Self {
        let stop = CancellationToken::new();
        let live = Generation::new(LogId::random(), 1);
        assert!(views.begin(&live).await.unwrap());
        assert!(views.promote(None, &live.id).await.unwrap());
        let queries = Arc::new(OrderQueries);
        let bounds = (bounds, &Liveness::default());
        let service = Service::bounded(read, queries, stop.clone(), bounds);
        Self { views, service, live, stop }
    }

    async fn open(&self, given: &[(&str, &str)], last: Option<&str>) -> Reader {
        self.open_as(None, given, last).await.map_err(|it| it.detail).unwrap()
    }

    async fn open_as(
        &self,
        client: Option<Client>,
        given: &[(&str, &str)],
        last: Option<&str>,
    ) -> Result<Reader, Problem> {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let given: BTreeMap<String, String> = given.collect();
        let wanted = Wanted::read(&given, last, &OrderQueries).map_err(|it| it.detail).unwrap();
        let body = self.service.live(Wanted { client, ..wanted }).await?;
        Ok(Reader { body, line: String::new(), parser: Parser::default(), read: vec![] })
    }

    async fn change(&self, stream: &StreamName, to: Version, customer: &str, status: &str) {
        self.change_noting(stream, to, (customer, status), "two\nlines").await;
    }

    async fn change_noting(
        &self,
        stream: &StreamName,
        to: Version,
        (customer, status): (&str, &str),
        note: &str,
    ) {
        let document = json!({ "order_id": stream.id(), "customer_id": customer, "status": status,
            "updated_at": "2026-01-01T00:00:00.000Z", "note": note });
        let change = Change {
            traceparent: None,
            stream: stream.clone(),
            base: to - 1,
            to,
            position: to,
            document: document.to_string().into_bytes(),
            sums: vec![],
            enter: vec![],
            leave: vec![],
            greatest_texts: vec![],
        };
        let applied = self.views.apply(&self.live.id, &[change]).await.unwrap();
        assert_eq!(applied, [Applied::Applied]);
    }
}

struct Reader {
    body: Body,
    /// What is read of a line; its end comes with a later piece.
    line: String,
    parser: Parser,
    read: Vec<LiveEvent>,
}

impl Reader {
    /// The next event that tells of a change; none when the stream has ended.
    async fn next(&mut self) -> Option<LiveEvent> {
        // A silent stream says in any case that it is alive.
        timeout(WAIT_TIMEOUT, self.next_event()).await.expect("it comes, or the stream ends")
    }

    async fn next_event(&mut self) -> Option<LiveEvent> {
        loop {
            while !self.read.is_empty() {
                let event = self.read.remove(0);
                if !["checkpoint", "alive"].contains(&event.name.as_str()) {
                    return Some(event);
                }
            }
            let Ok(bytes) = self.body.next().await?;
            self.line.push_str(std::str::from_utf8(&bytes).unwrap());
            let Some(end) = self.line.rfind('\n') else { continue };
            let rest = self.line.split_off(end + 1);
            let lines = std::mem::replace(&mut self.line, rest);
            self.read.extend(lines.lines().filter_map(|line| self.parser.line(line)));
        }
    }

    /// The next bytes, whatever they are.
    async fn next_bytes(&mut self) -> String {
        let Ok(bytes) = self.body.next().await.expect("the stream goes on");
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    /// The next changes: streams and versions.
    async fn views<const N: usize>(&mut self) -> [(StreamName, Version); N] {
        let mut views = vec![];
        while views.len() < N {
            let event = self.next().await.expect("the stream goes on");
            assert_eq!(event.name, "view", "{event:?}");
            let stream = StreamName::stored(event.data["stream"].as_str().unwrap());
            views.push((stream, event.data["version"].as_i64().unwrap()));
        }
        views.try_into().unwrap()
    }
}

#[tokio::test]
async fn a_client_is_told_what_changes_and_nothing_that_its_filter_leaves_out() {
    let subject = Subject::new().await;
    let (a, b) = (stream(), stream());
    let mut all = subject.open(&[], None).await;
    let mut of_b = subject.open(&[("order_id", b.id()), ("data", "none")], None).await;
    let mut paid = subject.open(&[("customer_id", "x"), ("status", "paid")], None).await;
    subject.change(&a, 1, "x", "created").await;
    let told = all.next().await.unwrap();
    assert_eq!(told.data["view"]["note"], json!("two\nlines"));
    assert_eq!(told.data["stream"], json!(a));
    subject.change(&b, 1, "y", "paid").await;
    assert_eq!(all.views().await, [(b.clone(), 1)]);
    subject.change(&a, 2, "x", "paid").await;
    assert_eq!(all.views().await, [(a.clone(), 2)]);
    let bare = of_b.next().await.unwrap();
    assert_eq!(bare.data, json!({ "stream": b, "version": 1 }));
    assert_eq!(paid.views().await, [(a, 2)]);
}

#[tokio::test]
async fn a_client_that_comes_back_is_told_the_latest_of_what_it_missed() {
    let subject = Subject::new().await;
    let (a, b, c) = (stream(), stream(), stream());
    let mut client = subject.open(&[], None).await;
    subject.change(&a, 1, "x", "created").await;
    let last = client.next().await.unwrap().id;
    drop(client);
    subject.change(&a, 2, "x", "paid").await;
    subject.change(&b, 1, "x", "created").await;
    subject.change(&a, 3, "x", "shipped").await;
    let mut client = subject.open(&[], Some(&last)).await;
    assert_eq!(
        client.views().await,
        [(b.clone(), 1), (a, 3)],
        "in the order of the latest changes"
    );
    subject.change(&c, 1, "x", "created").await;
    // And then what comes; what it missed may come again.
    while client.views().await != [(c.clone(), 1)] {}
    // The same by the parameter, with a filter, and after another query-api took over.
    let service = Service::new(subject.views.clone(), Arc::new(OrderQueries), subject.stop.clone());
    let subject = Subject { service, ..subject };
    let mut client = subject.open(&[("after", &last), ("status", "created")], None).await;
    assert_eq!(client.views().await, [(b, 1), (c, 1)]);
}

#[tokio::test]
async fn a_client_that_can_not_resume_begins_afresh() {
    let subject = Subject::new().await;
    let a = stream();
    subject.change(&a, 1, "x", "created").await;
    let id = |place: &str| format!("{}.{}.{place}", subject.live.log, subject.live.id);
    let other = format!("{}.v1-other.0-1", subject.live.log);
    for unknown in [id("0-7"), id("7-0"), other] {
        let mut client = subject.open(&[], Some(&unknown)).await;
        let reset = client.next().await.unwrap();
        assert_eq!((reset.name.as_str(), reset.id), ("reset", id("0-1")), "{unknown}");
    }
    for version in 2..12_000 {
        subject.change(&a, version, "x", "created").await;
    }
    let mut old = subject.open(&[], Some(&id("0-1"))).await;
    assert_eq!(old.next().await.unwrap().name, "reset");
}

#[tokio::test]
async fn a_swap_of_generations_is_told_as_a_reset() {
    let mut subject = Subject::new().await;
    let mut client = subject.open(&[], None).await;
    let next = Generation::new(subject.live.log.clone(), 2);
    assert!(subject.views.begin(&next).await.unwrap());
    assert!(subject.views.promote(Some(&subject.live.id), &next.id).await.unwrap());
    let reset = client.next().await.unwrap();
    assert_eq!(reset.name, "reset");
    assert!(reset.id.contains(next.id.as_str()), "{}", reset.id);
    subject.live = next;
    let a = stream();
    subject.change(&a, 1, "x", "created").await;
    assert_eq!(client.views().await, [(a, 1)]);
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_let_go_and_the_others_go_on() {
    let subject = Subject::new().await;
    let (mut slow, mut quick) = (subject.open(&[], None).await, subject.open(&[], None).await);
    let cut = || counted_here("waybill_live_streams_cut_total");
    let (a, before) = (stream(), cut());
    for version in 1..=400 {
        subject.change(&a, version, "x", "created").await;
        assert_eq!(quick.views().await, [(a.clone(), version)]);
    }
    assert_eq!(slow.next().await, None, "nothing is kept for it: it resumes");
    assert!(cut() > before, "it is counted");
}
