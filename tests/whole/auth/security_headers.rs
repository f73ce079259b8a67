//! What every answer tells a browser: of every operation of every service, and of each refusal.

use std::collections::BTreeSet;

use http::{HeaderMap, Method};
use shared::auth;
use shared::auth::Role::{self, Command, Operate, Query};
use shared::http::rate::Rate;
use tests::client::{Answer, OrderClient};
use tests::descriptions::{example_request, openapi, operations};
use tests::embedded::Embedded;
use tests::stores::TempDir;
use tests::tokens::{Tokens, with};
use waybill::client::Client;

/// Requests that a principal may send at once: more than there are operations of a service.
const RATE: usize = 60;

fn assert_told(what: &str, header: impl Fn(&'static str) -> Option<String>) {
    let told = |name| header(name).unwrap_or_else(|| panic!("{what}: no {name}"));
    assert_eq!(told("x-content-type-options"), "nosniff", "{what}");
    assert_eq!(told("referrer-policy"), "no-referrer", "{what}");
    let policy = told("content-security-policy");
    let page = what.ends_with(" /");
    assert!(policy.starts_with(if page { "default-src 'self'" } else { "default-src 'none'" }));
    assert!(policy.ends_with("frame-ancestors 'none'"), "{what}: {policy}");
}

fn check(what: &str, answer: &Answer) -> u16 {
    let what = format!("{} of {what}", answer.status);
    assert_told(&what, |name| answer.header(name).map(str::to_owned));
    answer.status
}

/// Asks for everything that is described, with a token and without; returns the statuses.
async fn every_operation(client: &Client, token: &str) -> BTreeSet<u16> {
    let mut seen = BTreeSet::new();
    let document = openapi(client).await;
    for (path, method, operation) in operations(&document) {
        let what = format!("{method} {path}");
        let (filled, body) = example_request(path, operation, token);
        // A stream of events does not end.
        let method = if path == "/live" { "HEAD".to_owned() } else { method.to_uppercase() };
        for client in [client.clone(), with(client, token)] {
            let mut client = OrderClient::new(&client);
            if body.is_some() {
                client = client.with("content-type", "application/json");
            }
            let body = body.clone().unwrap_or_default();
            let answer = client.send(method.parse().unwrap(), &filled, body).await;
            seen.insert(check(&what, &answer));
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_says_what_a_browser_may_do_with_it() {
    let (folder, tokens) = (TempDir::default(), Tokens::default());
    let (all, flood) = (tokens.of("all", &Role::ALL), tokens.of("flood", &[Query, Operate]));
    let sends = tokens.of("sends", &[Command, Query]);
    let rate = Some(Rate::parse(&format!("{RATE}/m")).unwrap());
    let system = Embedded::start_with(&folder, auth::Config { rate, ..tokens.config() }).await;
    let too_large = OrderClient::new(&with(&system.commands, &sends));
    let too_large = too_large.post("/orders", "x".repeat(100_000)).await;
    assert_eq!(check("a large body", &too_large), 413);
    let preflight = OrderClient::new(&system.commands)
        .with("origin", system.queries.base())
        .with("access-control-request-method", "GET");
    let preflight = preflight.send(Method::OPTIONS, "/events", "").await;
    assert_eq!(check("a preflight", &preflight), 204);
    let stream = with(&system.queries, &sends).open(Method::GET, "/live", &[], "").await.unwrap();
    assert_eq!(stream.status(), 200);
    let headers: HeaderMap = stream.headers().clone();
    drop(stream);
    let header =
        |name: &'static str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_told("a stream", header);
    for client in [&system.commands, &system.queries, &system.operations] {
        let mut seen = every_operation(client, &all).await;
        let known = OrderClient::new(&with(client, &all));
        seen.insert(check("GET /no/such/path", &known.get("/no/such/path").await));
        seen.insert(check("PUT /metrics", &known.send(Method::PUT, "/metrics", "").await));
        let misdirected = known.with("host", "evil.example").get("/metrics").await;
        seen.insert(check("another host", &misdirected));
        let flood = OrderClient::new(&with(client, &flood));
        for _ in 0..RATE * 2 {
            seen.insert(check("a flood", &flood.get("/metrics").await));
        }
        for status in [200, 401, 404, 405, 421, 429] {
            assert!(seen.contains(&status), "{}: {status} of {seen:?}", client.base());
        }
    }
    system.stop().await;
}
