//! What every answer tells a browser, also where it is made before there is a service.

use http::Method;
use shared::http::rate::Rate;
use shared::http::{Limits, ListenerOptions};
use tests::until;

use super::connections::{Server, patient, status};

fn assert_told(answer: &str) {
    let lower = answer.to_ascii_lowercase();
    for line in [
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "content-security-policy: default-src 'none'; frame-ancestors 'none'",
    ] {
        assert_eq!(lower.matches(&format!("\r\n{line}\r\n")).count(), 1, "{line}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_before_routing_say_what_a_browser_may_do_with_them() {
    let rate = Some(Rate::parse("4/m").unwrap());
    let options = ListenerOptions { rate_per_address: rate, ..ListenerOptions::default() };
    let server = Server::start_with(patient(), options).await;
    for (method, path, host, expected) in [
        (Method::GET, "/livez", "localhost", 200),
        (Method::HEAD, "/livez", "localhost", 200),
        (Method::GET, "/nothing", "localhost", 404),
        (Method::PUT, "/livez", "localhost", 405),
        (Method::GET, "/metrics", "evil.example", 421),
        (Method::GET, "/metrics", "localhost", 200),
        (Method::POST, "/nothing", "localhost", 404),
        (Method::GET, "/metrics", "localhost", 429),
    ] {
        let answer = server.ask(method.as_str(), path, host).await;
        assert_eq!(status(&answer), Some(expected), "{method} {path} {answer}");
        assert_told(&answer);
    }
    let full = Limits { connections: 1, spare: 1, ..patient() };
    let server = Server::start(full).await;
    // It holds the only place for other requests than probes.
    let _held = server.send("GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let answer = until("there is no place", || async {
        let answer = server.ask("GET", "/nothing", "localhost").await;
        (status(&answer) == Some(503)).then_some(answer)
    })
    .await;
    assert_told(&answer);
}
