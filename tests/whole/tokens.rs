//! Reading one's own writes, without polling.

use std::sync::Arc;
use std::time::Duration;

use kernel::log::{LogId, StreamName};
use kernel::query::Question;
use orders::OrderQueries;
use serde_json::Value;
use shared::http::consistency_token::Token;
use shared::view_store::memory::Memory;
use shared::view_store::{Generation, ViewStore as _};
use tests::client::{Answer, OrderClient};
use tests::load::{drive, plan};
use tests::services::{System, Urls};
use tokio_util::sync::CancellationToken;

async fn read(queries: &OrderClient, path: &str, token: &str, wait: u32) -> Answer {
    let queries = queries.with_token(token).waiting(wait);
    tokio::time::timeout(Duration::from_secs(50), queries.get(path)).await.expect("an answer")
}

/// STOP lets projectors do nothing until CONT.
fn signal(system: &System, signal: &str) {
    system.projectors.iter().for_each(|projector| projector.process.signal(signal));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_with_a_token_is_answered_when_the_views_contain_it() {
    let system = System::start(&Urls::of_the_run(), 1, 1).await;
    let (commands, queries) = (system.commands[0].api(), system.queries.api());
    signal(&system, "STOP");
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let (queries, created) = (queries.clone(), commands.create_lamp(5).await);
        let at_once = read(&queries, created.location(), created.token(), 0).await;
        assert_eq!((at_once.status, at_once.problem().as_str()), (503, "not-consistent-yet"));
        waiting.spawn(async move { read(&queries, created.location(), created.token(), 45).await });
    }
    signal(&system, "CONT");
    for answer in waiting.join_all().await {
        assert_eq!((answer.status, answer.version()), (200, 1));
    }
    system.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_read_showed_every_later_read_with_its_token_shows_too() {
    let system = System::start(&Urls::of_the_run(), 1, 2).await;
    let (commands, queries) = (system.commands[0].api(), system.queries.api());
    drive(&plan(1_000), &system.commands[0].client).await;
    let last = commands.create_lamp(5).await.token().to_owned();
    let sum = |stats: &Value| stats["orders"].as_i64().unwrap();
    let stats = read(&queries, "/stats", &last, 45).await;
    assert_eq!(stats.status, 200);
    // Sums and long lists have no streams to name: their token is a position of the log.
    let position = stats.token().to_owned();
    assert!(position.split_once('.').unwrap().1.parse::<i64>().unwrap() > 0, "{position}");
    for path in ["/stats", "/orders?limit=50", "/customers", "/stats/daily", "/stats/products"] {
        let answer = read(&queries, path, &position, 45).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("consistency-token").is_some(), "{path}");
    }
    let few = read(&queries, "/orders?limit=5", &position, 45).await;
    assert_eq!(few.token().matches('@').count(), 5, "{}", few.token());
    assert_eq!(read(&queries, "/orders?limit=5", few.token(), 0).await.status, 200);
    let after = read(&queries, "/stats", few.token(), 45).await;
    assert!(sum(&after.json()) >= sum(&stats.json()));
    // A position that is not there yet is waited for, until commands bring it.
    let (log, position) = position.split_once('.').unwrap();
    let ahead = format!("{log}.{}", position.parse::<i64>().unwrap() + 3);
    assert_eq!(read(&queries, "/stats", &ahead, 0).await.status, 503);
    let waiting = read(&queries, "/stats", &ahead, 45);
    let (answer, ..) = tokio::join!(
        waiting,
        commands.create_lamp(5),
        commands.create_lamp(5),
        commands.create_lamp(5)
    );
    assert_eq!(answer.status, 200);
    system.remove().await;
}

#[tokio::test]
async fn a_service_that_stops_answers_all_who_wait() {
    let (views, stop) = (Arc::new(Memory::default()), CancellationToken::new());
    let generation = Generation::new(LogId::random(), 1);
    assert!(views.begin(&generation).await.unwrap());
    assert!(views.promote(None, &generation.id).await.unwrap());
    let service = query_api::Service::new(views, Arc::new(OrderQueries), stop.clone());
    let unseen = Token::of_stream(&generation.log, &StreamName::stored("order-a"), 1);
    let question =
        Question { path: vec!["stats".to_owned()], parameters: Default::default(), owner: None };
    let minute = Duration::from_secs(60);
    let waiting = service.answer(&question, Some(&unseen), minute);
    let (answer, ()) = tokio::join!(tokio::time::timeout(minute / 2, waiting), async {
        stop.cancel();
    });
    let problem = answer.expect("an answer").err().expect("a problem");
    assert!(problem.detail.contains("stopping"), "{problem:?}");
}
