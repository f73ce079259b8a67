//! Every answer names its request.

use shared::http::ListenerOptions;
use shared::http::rate::Rate;
use uuid::Uuid;

use super::connections::{Server, patient, rest, status};

fn named(answer: &str) -> Vec<&str> {
    let (head, _) = answer.split_once("\r\n\r\n").expect("a head");
    head.lines().filter_map(|line| line.strip_prefix("x-request-id: ")).collect()
}

async fn ask(server: &Server, method: &str, path: &str, headers: &str) -> String {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n"
    );
    rest(server.send(&request).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_the_id_of_the_client_or_one_that_is_made() {
    let rate = Some(Rate::parse("8/m").unwrap());
    let options = ListenerOptions { rate_per_address: rate, ..ListenerOptions::default() };
    let server = Server::start_with(patient(), options).await;
    let mut made = vec![];
    for (method, path, headers, expected) in [
        ("GET", "/livez", "", 200),
        ("HEAD", "/readyz", "", 200),
        ("GET", "/metrics", "", 200),
        ("GET", "/nothing", "", 404),
        ("DELETE", "/metrics", "", 405),
        ("POST", "/length", "content-length: 0\r\n", 200),
    ] {
        let own =
            ask(&server, method, path, &format!("x-request-id: a-7/{path}\r\n{headers}")).await;
        assert_eq!(named(&own), [format!("a-7/{path}")], "{method} {path}: {own}");
        let without = ask(&server, method, path, headers).await;
        assert_eq!(status(&without), Some(expected), "{method} {path}: {without}");
        made.extend(named(&without).into_iter().map(str::to_owned));
    }
    // By now the rate is used up, or nearly.
    let mut refused = String::new();
    for _ in 0..20 {
        refused = ask(&server, "GET", "/nothing", "x-request-id: last\r\n").await;
        if status(&refused) == Some(429) {
            break;
        }
    }
    assert_eq!(status(&refused), Some(429), "{refused}");
    assert_eq!(named(&refused), ["last"]);
    assert!(refused.contains(r#""request_id":"last""#), "{refused}");
    for bad in ["", "a b", "a\"b", &"x".repeat(129), "a\r\nx-request-id: b"] {
        let answer = ask(&server, "GET", "/livez", &format!("x-request-id: {bad}\r\n")).await;
        assert_eq!(status(&answer), Some(200), "{bad}");
        assert_eq!(named(&answer).len(), 1, "{bad}");
        made.extend(named(&answer).into_iter().map(str::to_owned));
    }
    assert_eq!(made.len(), 11);
    let parsed = made.iter().map(|id| Uuid::parse_str(id).unwrap().get_version_num());
    assert!(parsed.into_iter().all(|version| version == 7), "{made:?}");
    made.sort();
    made.dedup();
    assert_eq!(made.len(), 11, "each is another");
}
