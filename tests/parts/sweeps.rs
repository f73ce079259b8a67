//! What requests that wait for views cost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use kernel::Result;
use kernel::log::LogId;
use kernel::query::Question;
use kernel::views::{Batch, Read};
use orders::OrderQueries;
use query_api::Service;
use shared::http::consistency_token::{MAX_STREAMS, Seen, Token};
use shared::view_store::memory::Memory;
use shared::view_store::{Generation, GenerationId, Reading, ViewStore};
use tests::orders::stream;
use tests::view_decorator::{ViewDecorator, ViewHooks};
use tokio_util::sync::CancellationToken;

/// How long each request waits, in seconds.
const WAIT: u64 = 3;
/// Streams that are looked at for all requests within a second.
const MAX_SWEPT: usize = 2_000;

/// Counts the streams whose versions are read for many requests at once: a request alone asks for those
/// of its token.
#[derive(Default)]
struct Swept(AtomicUsize);

#[async_trait]
impl ViewHooks for Swept {
    async fn read(
        &self,
        views: &dyn ViewStore,
        generation: &GenerationId,
        batch: &Batch,
    ) -> Result<Reading> {
        for read in batch.reads() {
            if let Read::Versions(streams) = read
                && streams.len() > MAX_STREAMS
            {
                self.0.fetch_add(streams.len(), Ordering::SeqCst);
            }
        }
        views.read(generation, batch).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_requests_wait_the_looks_for_them_have_a_bound() {
    let views = ViewDecorator::over(Arc::new(Memory::default()), Swept::default());
    let live = Generation::new(LogId::random(), 1);
    assert!(views.begin(&live).await.unwrap());
    assert!(views.promote(None, &live.id).await.unwrap());
    let (queries, stop) = (Arc::new(OrderQueries), CancellationToken::new());
    let service = Service::new(views.clone(), queries, stop);
    let path = vec!["stats".to_owned()];
    let question = Question { path, parameters: BTreeMap::new(), owner: None };
    let token = |_| {
        let seen = Seen::Streams((0..MAX_STREAMS).map(|_| (stream(), 1)).collect());
        Token { log: live.log.clone(), seen }
    };
    let tokens: Vec<Token> = (0..400).map(token).collect();
    let wait = Duration::from_secs(WAIT);
    let answers = tokens.iter().map(|token| service.answer(&question, Some(token), wait));
    assert!(join_all(answers).await.iter().all(|answer| answer.is_err()), "none is there yet");
    let (swept, seconds) = (views.hooks.0.load(Ordering::SeqCst), WAIT as usize + 1);
    assert!((MAX_SWEPT..=seconds * MAX_SWEPT).contains(&swept), "{swept} streams");
}
