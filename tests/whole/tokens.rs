//! Reading one's own writes, without polling.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use kernel::log::{LogId, StreamName};
use kernel::query::Question;
use orders::OrderQueries;
use serde_json::{Value, json};
use shared::http::consistency_token::Token;
use shared::view_store::memory::Memory;
use shared::view_store::{Generation, ViewStore as _};
use tests::load::{drive, plan};
use tests::services::{System, Urls};
use tokio_util::sync::CancellationToken;
use waybill::client::{Client, Response};

fn token(answer: &Response) -> String {
    answer.headers["consistency-token"].to_str().unwrap().to_owned()
}

async fn create(commands: &Client) -> Response {
    let item = json!({ "sku": "A", "name": "Lamp", "quantity": 1, "unit_price": 5 });
    let order = json!({ "customer_id": "c", "currency": "EUR", "items": [item] });
    commands.post("/orders", &[], order.to_string()).await.unwrap()
}

async fn read(queries: &Client, path: &str, token: &str, wait: &str) -> Response {
    let headers = [("consistency-token", token), ("prefer", wait)];
    let read = queries.send(Method::GET, path, &headers, "");
    tokio::time::timeout(Duration::from_secs(50), read).await.expect("an answer").unwrap()
}

/// STOP lets projectors do nothing until CONT.
fn signal(system: &System, signal: &str) {
    system.projectors.iter().for_each(|projector| projector.process.signal(signal));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_with_a_token_is_answered_when_the_views_contain_it() {
    let system = System::start(&Urls::of_the_run(), 1, 1).await;
    let (commands, queries) = (&system.commands[0].client, &system.queries.client);
    signal(&system, "STOP");
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let created = create(commands).await;
        let place = created.headers["location"].to_str().unwrap().to_owned();
        let (queries, token) = (queries.clone(), token(&created));
        let impatient = read(&queries, &place, &token, "wait=0").await;
        let problem = impatient.json().unwrap()["type"].clone();
        let expected = (503, json!("/problems/not-consistent-yet"));
        assert_eq!((impatient.status.as_u16(), problem), expected);
        waiting.spawn(async move { read(&queries, &place, &token, "wait=45").await });
    }
    signal(&system, "CONT");
    for answer in waiting.join_all().await {
        assert_eq!(
            (answer.status.as_u16(), answer.json().unwrap()["version"].clone()),
            (200, json!(1))
        );
    }
    system.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_read_showed_every_later_read_with_its_token_shows_too() {
    let system = System::start(&Urls::of_the_run(), 1, 2).await;
    let (commands, queries) = (&system.commands[0].client, &system.queries.client);
    drive(&plan(1_000), commands).await;
    let last = token(&create(commands).await);
    let sum = |stats: &Value| stats["orders"].as_i64().unwrap();
    let stats = read(queries, "/stats", &last, "wait=45").await;
    assert_eq!(stats.status.as_u16(), 200);
    // Sums and long lists have no streams to name: their token is a position of the log.
    let position = token(&stats);
    assert!(position.split_once('.').unwrap().1.parse::<i64>().unwrap() > 0, "{position}");
    for path in ["/stats", "/orders?limit=50", "/customers", "/stats/daily", "/stats/products"] {
        let answer = read(queries, path, &position, "wait=45").await;
        assert_eq!(answer.status.as_u16(), 200, "{path}");
        assert!(answer.headers.contains_key("consistency-token"), "{path}");
    }
    let few = read(queries, "/orders?limit=5", &position, "wait=45").await;
    assert_eq!(token(&few).matches('@').count(), 5, "{}", token(&few));
    assert_eq!(read(queries, "/orders?limit=5", &token(&few), "wait=0").await.status.as_u16(), 200);
    let after = read(queries, "/stats", &token(&few), "wait=45").await;
    assert!(sum(&after.json().unwrap()) >= sum(&stats.json().unwrap()));
    // A position that is not there yet is waited for, until commands bring it.
    let (log, position) = position.split_once('.').unwrap();
    let ahead = format!("{log}.{}", position.parse::<i64>().unwrap() + 3);
    assert_eq!(read(queries, "/stats", &ahead, "wait=0").await.status.as_u16(), 503);
    let waiting = read(queries, "/stats", &ahead, "wait=45");
    let (answer, ..) = tokio::join!(waiting, create(commands), create(commands), create(commands));
    assert_eq!(answer.status.as_u16(), 200);
    system.remove().await;
}

#[tokio::test]
async fn a_service_that_stops_lets_nobody_wait() {
    let (views, stop) = (Arc::new(Memory::default()), CancellationToken::new());
    let generation = Generation::new(LogId::random(), 1);
    assert!(views.begin(&generation).await.unwrap());
    assert!(views.promote(None, &generation.id).await.unwrap());
    let service = query_api::Service::new(views, Arc::new(OrderQueries), stop.clone());
    let unseen = Token::of_stream(&generation.log, &StreamName::stored("order-a"), 1);
    let question = Question { path: vec!["stats".to_owned()], parameters: Default::default() };
    let minute = Duration::from_secs(60);
    let waiting = service.answer(&question, Some(&unseen), minute);
    let (answer, ()) = tokio::join!(tokio::time::timeout(minute / 2, waiting), async {
        stop.cancel();
    });
    let problem = answer.expect("nobody waits").err().expect("a problem");
    assert!(problem.detail.contains("stopping"), "{problem:?}");
}
