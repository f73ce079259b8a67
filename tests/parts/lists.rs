//! How many lists query-api reads at a time: each takes some MiB where what it shows is large.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use kernel::Result;
use kernel::log::{LogId, StreamName, Version};
use kernel::projection::Change;
use kernel::query::Question;
use kernel::views::{Batch, Read};
use orders::OrderQueries;
use query_api::Service;
use serde_json::json;
use shared::http::Client;
use shared::http::consistency_token::{Seen, Token};
use shared::view_store::memory::Memory;
use shared::view_store::{Applied, Generation, GenerationId, Reading, ViewStore};
use tests::orders::stream;
use tests::prometheus::counted_here;
use tests::view_decorator::{ViewDecorator, ViewHooks};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Lists that are read at a time, and those of one client.
const AT_A_TIME: usize = 24;
const OF_ONE: usize = 12;

const NOT_YET: Option<&str> = Some("/problems/not-consistent-yet");

/// Orders that are more together than one read returns, which is 2 MiB.
const LARGE: usize = 6;
const BYTES: usize = 500 << 10;

/// Views that let each read of a list wait until it is allowed.
struct Gated {
    begun: AtomicUsize,
    /// Reads of documents.
    documents: AtomicUsize,
    gate: Semaphore,
}

#[async_trait]
impl ViewHooks for Gated {
    async fn read(
        &self,
        views: &dyn ViewStore,
        generation: &GenerationId,
        batch: &Batch,
    ) -> Result<Reading> {
        if batch.reads().iter().any(|read| matches!(read, Read::List(_))) {
            self.begun.fetch_add(1, Ordering::SeqCst);
            self.gate.acquire().await.unwrap().forget();
        }
        if batch.reads().iter().any(|read| matches!(read, Read::Views(_))) {
            self.documents.fetch_add(1, Ordering::SeqCst);
        }
        views.read(generation, batch).await
    }
}

struct Subject {
    service: Arc<Service>,
    live: Generation,
    views: Arc<ViewDecorator<Gated>>,
}

impl Subject {
    async fn new() -> Self {
        let (begun, documents) = Default::default();
        let gated = Gated { begun, documents, gate: Semaphore::new(0) };
        let views = ViewDecorator::over(Arc::new(Memory::default()), gated);
        let live = Generation::new(LogId::random(), 1);
        assert!(views.begin(&live).await.unwrap());
        assert!(views.promote(None, &live.id).await.unwrap());
        let (queries, stop) = (Arc::new(OrderQueries), CancellationToken::new());
        let service = Arc::new(Service::new(views.clone(), queries, stop));
        Self { service, live, views }
    }

    /// The status of the answer to this client.
    fn ask(&self, client: &str, path: &[&str]) -> JoinHandle<u16> {
        let service = self.service.clone();
        let client = Client::Principal(client.to_owned());
        let path = path.iter().map(|part| (*part).to_owned()).collect();
        let question = Question { path, parameters: BTreeMap::new(), owner: None };
        tokio::spawn(async move {
            let answer = service.answer_to(Some(&client), &question, None, Duration::ZERO).await;
            answer.map_or_else(|problem| problem.status, |_| 200)
        })
    }

    /// The type of the problem for a client that has seen these streams, and does not wait for them; none
    /// where it has an answer.
    fn ask_seeing(
        &self,
        streams: &[(StreamName, Version)],
        path: &[&str],
        owner: Option<&str>,
    ) -> JoinHandle<Option<Box<str>>> {
        let service = self.service.clone();
        let token = Token { log: self.live.log.clone(), seen: Seen::Streams(streams.to_vec()) };
        let path = path.iter().map(|part| (*part).to_owned()).collect();
        let owner = owner.map(str::to_owned);
        let question = Question { path, parameters: BTreeMap::new(), owner };
        tokio::spawn(async move {
            let client = Client::Principal("mine".to_owned());
            let (client, seen) = (Some(&client), Some(&token));
            let answer = service.answer_to(client, &question, seen, Duration::ZERO).await;
            answer.err().map(|problem| problem.r#type)
        })
    }

    /// Adds a large order of this customer.
    async fn add(&self, customer: &str) -> (StreamName, Version) {
        let stream = stream();
        let document = json!({ "order_id": stream.id(), "customer_id": customer,
            "status": "created", "updated_at": "2026-01-01T00:00:00.000Z", "note": "x".repeat(BYTES) });
        let change = Change {
            traceparent: None,
            stream: stream.clone(),
            base: 0,
            to: 1,
            position: 1,
            document: document.to_string().into_bytes(),
            sums: vec![],
            enter: vec![],
            leave: vec![],
            greatest_texts: vec![],
        };
        let applied = self.views.apply(&self.live.id, &[change]).await.unwrap();
        assert_eq!(applied, [Applied::Applied]);
        (stream, 1)
    }

    fn documents(&self) -> usize {
        self.views.hooks.documents.load(Ordering::SeqCst)
    }

    fn ask_often(&self, client: &str) -> Vec<JoinHandle<u16>> {
        (0..2 * OF_ONE).map(|_| self.ask(client, &["orders"])).collect()
    }

    /// How many lists are being read once no more are. All tasks run on this thread, and no time passes.
    async fn all_begun(&self) -> usize {
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        self.views.hooks.begun.load(Ordering::SeqCst)
    }
}

async fn statuses(asked: Vec<JoinHandle<u16>>) -> Vec<u16> {
    let mut statuses: Vec<u16> = join_all(asked).await.into_iter().map(Result::unwrap).collect();
    statuses.sort_unstable();
    statuses
}

#[tokio::test(start_paused = true)]
async fn few_lists_are_read_at_a_time_and_half_of_them_for_one_client() {
    let subject = Subject::new().await;
    let refused = || counted_here("waybill_http_refused_total{reason=\"lists\"}");
    let (one, before) = (subject.ask_often("one"), refused());
    assert_eq!(subject.all_begun().await, OF_ONE);
    let another = subject.ask_often("another");
    assert_eq!(subject.all_begun().await, AT_A_TIME);
    let third = subject.ask("third", &["orders"]);
    assert_eq!(subject.all_begun().await, AT_A_TIME);
    let unknown = subject.ask("one", &["orders", "71a6f0b4-5d5a-4a65-8b0e-6f0a1b1d6a11"]);
    assert_eq!(unknown.await.unwrap(), 404, "what is small needs no place");
    // Time passes where all wait, and what waits has its end.
    assert_eq!(third.await.unwrap(), 503);
    subject.views.hooks.gate.add_permits(AT_A_TIME);
    for asked in [one, another] {
        assert_eq!(statuses(asked).await, [[200; OF_ONE], [503; OF_ONE]].concat());
    }
    assert!(refused() - before >= 25., "they are counted");
}

#[tokio::test(start_paused = true)]
async fn a_list_waits_until_there_is_a_place() {
    let subject = Subject::new().await;
    let asked = subject.ask_often("one");
    assert_eq!(subject.all_begun().await, OF_ONE);
    subject.views.hooks.gate.add_permits(1);
    assert_eq!(subject.all_begun().await, OF_ONE + 1, "the next one begins at once");
    subject.views.hooks.gate.add_permits(2 * OF_ONE - 1);
    assert_eq!(statuses(asked).await, [200; 2 * OF_ONE]);
}

#[tokio::test(start_paused = true)]
async fn a_list_whose_token_is_refused_is_not_read_and_needs_no_place() {
    let subject = Subject::new().await;
    let lists = [subject.ask_often("one"), subject.ask_often("another")];
    assert_eq!(subject.all_begun().await, AT_A_TIME);
    let asked = Instant::now();
    let refused = subject.ask_seeing(&[(stream(), 1)], &["orders"], None).await.unwrap();
    assert_eq!(refused.as_deref(), NOT_YET);
    assert!(asked.elapsed() < Duration::from_secs(1), "it waits for nothing");
    subject.views.hooks.gate.add_permits(2 * AT_A_TIME + 1);
    for asked in lists {
        assert_eq!(statuses(asked).await, [200; 2 * OF_ONE]);
    }
    let begun = subject.all_begun().await;
    let refused = subject.ask_seeing(&[(stream(), 1)], &["orders"], None).await.unwrap();
    assert_eq!(refused.as_deref(), NOT_YET);
    assert_eq!(subject.all_begun().await, begun, "no list is read, though there is a place");
}

#[tokio::test(start_paused = true)]
async fn the_token_of_a_bound_client_is_checked_by_versions_and_then_by_documents_in_a_place() {
    let subject = Subject::new().await;
    let mut seen = vec![];
    for _ in 0..LARGE {
        seen.push(subject.add("mine").await);
    }
    let id = seen[0].0.id().to_owned();
    let ask = |seen: &[(StreamName, Version)]| {
        let asked = subject.ask_seeing(seen, &["orders", &id], Some("mine"));
        async move { asked.await.unwrap() }
    };
    assert_eq!(ask(&seen).await, None, "all of them are its own");
    assert_eq!(subject.documents(), 3, "two parts for the token, and the answer");
    let others = [seen.clone(), vec![subject.add("theirs").await]].concat();
    assert_eq!(ask(&others).await.as_deref(), NOT_YET, "what is read last counts, too");
    let before = subject.documents();
    let ahead = [seen.clone(), vec![(stream(), 1)]].concat();
    assert_eq!(ask(&ahead).await.as_deref(), NOT_YET);
    assert_eq!(subject.documents(), before, "none is read before all have reached their versions");
    let lists = [subject.ask_often("one"), subject.ask_often("another")];
    assert_eq!(subject.all_begun().await, AT_A_TIME);
    let asked = ask(&seen);
    subject.all_begun().await;
    assert_eq!(subject.documents(), before, "there is no place");
    assert_eq!(asked.await.as_deref(), NOT_YET);
    assert_eq!(ask(&seen[..1]).await, None, "what is small needs no place");
    subject.views.hooks.gate.add_permits(2 * AT_A_TIME);
    for asked in lists {
        statuses(asked).await;
    }
    assert_eq!(ask(&seen).await, None, "the places are free again");
}
