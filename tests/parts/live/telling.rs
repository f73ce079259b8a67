//! What is told of changes while reads of the views fail, or are not answered.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use kernel::Result;
use kernel::query::Question;
use kernel::views::{Batch, Read};
use query_api::live::Bounds;
use shared::http::consistency_token::{MAX_STREAMS, Seen, Token};
use shared::view_store::{GenerationId, Reading, ViewStore};
use tests::orders::stream;
use tests::until;
use tests::view_decorator::ViewHooks;

use super::Subject;

/// Views that do not answer looks for all requests that wait. A request alone asks for the streams of its
/// token.
#[derive(Default)]
struct Silent(AtomicBool);

#[async_trait]
impl ViewHooks for Silent {
    async fn read(
        &self,
        views: &dyn ViewStore,
        generation: &GenerationId,
        batch: &Batch,
    ) -> Result<Reading> {
        let is_of_many =
            |read: &Read| matches!(read, Read::Versions(streams) if streams.len() > MAX_STREAMS);
        if batch.reads().iter().any(is_of_many) {
            self.0.store(true, Ordering::SeqCst);
            std::future::pending::<()>().await;
        }
        views.read(generation, batch).await
    }
}

#[tokio::test]
async fn a_look_for_requests_that_is_not_answered_holds_up_no_change() {
    let (subject, views) = Subject::hooked(Silent::default(), Bounds::default()).await;
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
        let is_asked = || async { views.hooks.0.load(Ordering::SeqCst).then_some(()) };
        until("the reader looks for all of them", is_asked).await;
        subject.change(&changed, 1, "x", "created").await;
        client.views::<1>().await
    };
    tokio::select! {
        told = told => assert_eq!(told, [(changed.clone(), 1)]),
        _ = join_all(tokens.iter().map(ask)) => panic!("nothing was told while they waited"),
    }
}
