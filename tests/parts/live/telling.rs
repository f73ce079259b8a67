//! What is told of changes while reads of the views fail, or are not answered.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use kernel::log::StreamName;
use kernel::query::Question;
use kernel::views::{Batch, Read};
use kernel::{Failure, Result, Timestamp};
use query_api::live::Bounds;
use serde_json::json;
use shared::http::consistency_token::{MAX_STREAMS, Seen, Token};
use shared::view_store::{Advance, Generation, GenerationId, Reached, Reading, Updates, ViewStore};
use tests::orders::stream;
use tests::until;
use tests::until::WAIT_TIMEOUT;
use tests::view_decorator::ViewHooks;
use tokio::time::timeout;

use super::Subject;

/// What goes wrong.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// No look for all requests that wait is answered. A request alone asks for the streams of its
    /// token.
    LooksHang,
    /// Neither views can be read, nor how far they are.
    ReadsFail,
    /// No views can be read.
    LoadsFail,
    /// No read of views is answered.
    ReadsHang,
    /// Reads of views end the task that made them.
    ReadsPanic,
    /// The same of reads of updates.
    UpdatesPanic,
    /// This generation is taken for the live one.
    LiveIsLate(Generation),
    /// The view of this stream can't be read, nor others together with it.
    Broken(StreamName),
}

/// Views with such a fault, where there is one.
#[derive(Default)]
pub(super) struct Faulty {
    fault: Mutex<Option<Fault>>,
    /// How many calls it has met.
    met: AtomicUsize,
}

impl Faulty {
    pub(super) fn set(&self, fault: Option<Fault>) {
        *self.fault.lock().unwrap() = fault;
    }

    fn fault(&self) -> Option<Fault> {
        self.fault.lock().unwrap().clone()
    }

    pub(super) async fn until_met(&self) {
        let met = || async { (self.met.load(Ordering::SeqCst) > 0).then_some(()) };
        until("a call meets the fault", met).await;
    }

    async fn hang(&self) {
        self.met.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    }

    fn fail(&self) -> Failure {
        self.met.fetch_add(1, Ordering::SeqCst);
        Failure::transient("reading views", "the fault of this test")
    }
}

#[async_trait]
impl ViewHooks for Faulty {
    async fn live(&self, views: &dyn ViewStore) -> Result<Option<Generation>> {
        match self.fault() {
            Some(Fault::LiveIsLate(before)) => Ok(Some(before)),
            _ => views.live().await,
        }
    }

    async fn read(
        &self,
        views: &dyn ViewStore,
        generation: &GenerationId,
        batch: &Batch,
    ) -> Result<Reading> {
        let has = |is: fn(&Read) -> bool| batch.reads().iter().any(is);
        let has_view_of = |stream: &StreamName| {
            let of_it = |read: &Read| matches!(read, Read::Views(all) if all.contains(stream));
            batch.reads().iter().any(of_it)
        };
        match self.fault() {
            Some(Fault::Broken(stream)) if has_view_of(&stream) => {
                return Err(Failure::permanent("reading views", "the fault of this test"));
            }
            Some(Fault::LooksHang) if has(is_look) => self.hang().await,
            Some(Fault::ReadsHang) if has(is_of_views) => self.hang().await,
            Some(Fault::ReadsPanic) if has(is_of_views) => panic!("the fault of this test"),
            Some(Fault::ReadsFail | Fault::LoadsFail) if has(is_of_views) => {
                return Err(self.fail());
            }
            _ => {}
        }
        views.read(generation, batch).await
    }

    async fn reached(&self, views: &dyn ViewStore, generation: &GenerationId) -> Result<Reached> {
        match self.fault() {
            Some(Fault::ReadsFail) => Err(self.fail()),
            _ => views.reached(generation).await,
        }
    }

    async fn updates(
        &self,
        views: &dyn ViewStore,
        generation: &GenerationId,
    ) -> Result<Box<dyn Updates>> {
        match self.fault() {
            Some(Fault::UpdatesPanic) => panic!("the fault of this test"),
            _ => views.updates(generation).await,
        }
    }
}

fn is_look(read: &Read) -> bool {
    matches!(read, Read::Versions(streams) if streams.len() > MAX_STREAMS)
}

fn is_of_views(read: &Read) -> bool {
    matches!(read, Read::Views(_))
}

#[tokio::test]
async fn a_look_for_requests_that_is_not_answered_holds_up_no_change() {
    let (subject, views) = Subject::hooked(Faulty::default(), Bounds::default()).await;
    views.hooks.set(Some(Fault::LooksHang));
    let mut client = subject.open(&[], None).await;
    let question =
        Question { path: vec!["stats".to_owned()], parameters: BTreeMap::new(), owner: None };
    let token = |_| {
        let seen = Seen::Streams((0..MAX_STREAMS).map(|_| (stream(), 1)).collect());
        Token { log: subject.live.log.clone(), seen }
    };
    let tokens: Vec<Token> = (0..2).map(token).collect();
    let wait = Duration::from_secs(30);
    let ask = |token| subject.service.answer(&question, Some(token), wait);
    let changed = stream();
    let told = async {
        views.hooks.until_met().await;
        subject.change(&changed, 1, "x", "created").await;
        client.views::<1>().await
    };
    tokio::select! {
        told = told => assert_eq!(told, [(changed.clone(), 1)]),
        _ = join_all(tokens.iter().map(ask)) => panic!("nothing was told while they waited"),
    }
}

#[tokio::test(start_paused = true)]
async fn changes_that_can_not_be_read_are_told_later() {
    let (subject, views) = Subject::hooked(Faulty::default(), Bounds::default()).await;
    let mut client = subject.open(&[], None).await;
    views.hooks.set(Some(Fault::ReadsFail));
    let changed = stream();
    subject.change(&changed, 1, "x", "created").await;
    views.hooks.until_met().await;
    views.hooks.set(None);
    // Sooner than the next look without news.
    let told = timeout(Duration::from_millis(400), client.views::<1>()).await;
    assert_eq!(told.expect("it is tried again soon"), [(changed, 1)]);
}

#[tokio::test(start_paused = true)]
async fn changes_beyond_what_clients_take_are_counted_although_others_can_not_be_read() {
    let (subject, views) = Subject::hooked(Faulty::default(), Bounds::default()).await;
    let mut client = subject.open(&[("max_per_second", "1")], None).await;
    views.hooks.set(Some(Fault::ReadsFail));
    for _ in 0..3 {
        subject.change(&stream(), 1, "x", "created").await;
    }
    views.hooks.until_met().await;
    views.hooks.set(None);
    client.views::<1>().await;
    let skipped = client.next().await.unwrap();
    assert_eq!((skipped.name.as_str(), skipped.data), ("skipped", json!({ "views": 2 })));
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_can_not_be_read_is_told_later() {
    let (subject, views) = Subject::hooked(Faulty::default(), Bounds::default()).await;
    let mut client = subject.open(&[], None).await;
    while !client.next_bytes().await.contains("\"position\":0,") {}
    views.hooks.set(Some(Fault::ReadsFail));
    let moved = subject.views.advance(&subject.live.id, 0, 1, &[]).await;
    assert_eq!(moved.unwrap(), Advance::Moved);
    views.hooks.until_met().await;
    views.hooks.set(None);
    let told = client.next_bytes().await;
    assert!(told.contains("\"position\":1,"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_view_that_can_not_be_read_holds_up_no_other() {
    let (subject, views) = Subject::hooked(Faulty::default(), Bounds::default()).await;
    let mut client = subject.open(&[], None).await;
    let (broken, whole) = (stream(), stream());
    views.hooks.set(Some(Fault::Broken(broken.clone())));
    for changed in [&broken, &whole] {
        subject.change(changed, 1, "x", "created").await;
    }
    assert_eq!(client.views().await, [(whole, 1)]);
    let told = client.next_bytes().await;
    assert!(told.contains("event: checkpoint"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn updates_are_read_again_after_the_task_that_reads_them_has_ended() {
    let (subject, views) = Subject::hooked(Faulty::default(), Bounds::default()).await;
    views.hooks.set(Some(Fault::UpdatesPanic));
    let refused = timeout(Duration::from_secs(1), subject.open_as(None, &[], None)).await;
    let refused = refused.expect("it does not wait for what is not read").err();
    assert_eq!(refused.map(|it| it.status), Some(503));
    views.hooks.set(None);
    let opened = timeout(WAIT_TIMEOUT, subject.open(&[], None)).await;
    let (mut client, changed) = (opened.expect("it is read"), stream());
    subject.change(&changed, 1, "x", "created").await;
    assert_eq!(client.views().await, [(changed, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_looked_before_a_swap_sets_no_other_back() {
    let (subject, views) = Subject::hooked(Faulty::default(), Bounds::default()).await;
    let mut client = subject.open(&[], None).await;
    let created_at = Timestamp::from_millis(subject.live.created_at.as_millis() + 1);
    let next = Generation { created_at, ..Generation::new(subject.live.log.clone(), 2) };
    assert!(subject.views.begin(&next).await.unwrap());
    assert!(subject.views.promote(Some(&subject.live.id), &next.id).await.unwrap());
    assert_eq!(client.next().await.unwrap().name, "reset");
    views.hooks.set(Some(Fault::LiveIsLate(subject.live.clone())));
    let mut late = subject.open(&[], None).await;
    views.hooks.set(None);
    let told = timeout(Duration::from_secs(5), client.next()).await;
    assert!(told.is_err(), "{told:?}");
    let (subject, changed) = (Subject { live: next, ..subject }, stream());
    subject.change(&changed, 1, "x", "created").await;
    for client in [&mut client, &mut late] {
        assert_eq!(client.views().await, [(changed.clone(), 1)]);
    }
}
