//! How often pages may sign in.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use jsonwebtoken::{Algorithm, Header, encode};
use serde_json::json;
use shared::auth::Role::{Operate, Query};
use shared::auth::{self, KeySource};
use shared::http::rate::Rate;
use tests::client::OrderClient;
use tests::embedded::Embedded;
use tests::jwt_keys::{EC, ED, Provider, STRANGER};
use tests::stores::TempDir;
use tests::tokens::{Tokens, with};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::time::Instant;

use super::jwt::{but, claims, config_of, seconds};

/// Sign-ins of an address that may fail at once, without configuration; one more every six seconds.
const FAILURES: u64 = 10;

/// Sends a request from one of the addresses of this machine; returns the status and the whole answer.
async fn ask_from(system: &Embedded, last: u8, head: &str, body: &str) -> (u16, String) {
    let socket = TcpSocket::new_v4().unwrap();
    let from = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), 0);
    socket.bind(from).unwrap();
    let mut connection = socket.connect(system.running.addresses.query).await.unwrap();
    let length = body.len();
    let request = format!(
        "{head}\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
}

async fn sign_in(system: &Embedded, last: u8, token: &str) -> (u16, String) {
    let head = "POST /session HTTP/1.1\r\ncontent-type: application/json";
    ask_from(system, last, head, &json!({ "token": token }).to_string()).await
}

/// Asks with a token; returns the status and the whole answer.
async fn show(system: &Embedded, last: u8, path: &str, token: &str) -> (u16, String) {
    let head = format!("GET {path} HTTP/1.1\r\nauthorization: Bearer {token}");
    ask_from(system, last, &head, "").await
}

/// What a counter has for this value of its label.
async fn counted(operator: &OrderClient, metric: &str, label: &str) -> u64 {
    let told = operator.get("/metrics").await;
    let text = String::from_utf8(told.body.to_vec()).unwrap();
    let is_it = |line: &&str| line.starts_with(metric) && line.contains(&format!("\"{label}\""));
    let line = text.lines().find(is_it).unwrap_or_else(|| panic!("{metric} {label}: {text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_fails_to_sign_in_is_refused_while_others_sign_in() {
    let (folder, tokens) = (TempDir::default(), Tokens::default());
    let (good, operator) = (tokens.of("page", &[Query]), tokens.of("ops", &[Operate]));
    let revoked = tokens.of("page", &[Query]);
    tokens.revoke(&revoked);
    let unknown = Tokens::default().of("page", &[Query]);
    let system = Embedded::start_with(&folder, tokens.config()).await;
    let operator = OrderClient::new(&with(&system.queries, &operator));
    let credentials =
        async |outcome| counted(&operator, "waybill_credentials_total{", outcome).await;
    let before = [credentials("invalid").await, credentials("revoked").await];

    // Bodies that show no token are no failed sign-ins.
    for _ in 0..FAILURES * 2 {
        let head = "POST /session HTTP/1.1\r\ncontent-type: application/json";
        assert_eq!(ask_from(&system, 2, head, "{}").await.0, 422);
    }
    let started = Instant::now();
    let mut failed = [0, 0];
    let refused = loop {
        let kind = usize::from(failed[0] > failed[1]);
        let (status, answer) = sign_in(&system, 2, [&unknown, &revoked][kind]).await;
        if status == 429 {
            break answer;
        }
        assert_eq!(status, 401, "{answer}");
        failed[kind] += 1;
        let due = started.elapsed().as_secs() / 6 + 1;
        assert!(failed[0] + failed[1] <= FAILURES + due, "{failed:?} in {:?}", started.elapsed());
    };
    assert!(failed[0] + failed[1] >= FAILURES, "{failed:?}");
    assert!(refused.contains("/problems/too-many-requests"), "{refused}");
    let told = "One address may send 10 requests per minute with a credential that fails.";
    assert!(refused.contains(told), "{refused}");
    let wait = refused.lines().find_map(|line| line.strip_prefix("retry-after: ")).unwrap();
    assert!((1..=7).contains(&wait.parse::<u64>().unwrap()), "{wait}");

    // The table of failures holds its own addresses: others sign in, and are told what is wrong.
    for last in 3..20 {
        assert_eq!(sign_in(&system, last, &good).await.0, 200);
        assert_eq!(sign_in(&system, last, &unknown).await.0, 401);
    }
    // Nothing else of the address is refused, and who has a token signs in.
    assert_eq!(sign_in(&system, 2, &good).await.0, 200);
    let head = format!("GET /orders HTTP/1.1\r\nauthorization: Bearer {good}");
    for _ in 0..FAILURES * 2 {
        assert_eq!(ask_from(&system, 2, &head, "").await.0, 200);
    }
    assert!(credentials("invalid").await >= before[0] + failed[0] + 17);
    assert!(credentials("revoked").await >= before[1] + failed[1]);
    assert!(counted(&operator, "waybill_http_refused_total{", "sign_ins").await >= 1);
    drop(operator);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_token_signs_in_however_often_others_of_the_address_have_failed() {
    let (folder, tokens) = (TempDir::default(), Tokens::default());
    let good = tokens.of("page", &[Query]);
    let unknown = Tokens::default().of("page", &[Query]);
    // The next one is due after a minute.
    let sign_in_failures = Some(Rate::parse("1/m").unwrap());
    let config = auth::Config { sign_in_failures, ..tokens.config() };
    let system = Embedded::start_with(&folder, config).await;
    for _ in 0..30 {
        assert_eq!(sign_in(&system, 2, &good).await.0, 200, "what succeeds does not count");
    }
    assert_eq!(sign_in(&system, 2, &unknown).await.0, 401);
    for _ in 0..3 {
        let (status, answer) = sign_in(&system, 2, &unknown).await;
        assert_eq!(status, 429, "{answer}");
        assert!(!answer.contains("set-cookie"), "{answer}");
        let (status, answer) = sign_in(&system, 2, &good).await;
        assert_eq!(status, 200, "{answer}");
        assert!(answer.contains("set-cookie"), "{answer}");
    }
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_signature_is_checked_once_an_address_has_failed_too_often() {
    let (folder, provider, tokens) = (TempDir::default(), Provider::default(), Tokens::default());
    let own = tokens.of("own", &[Query]);
    let sign_in_failures = Some(Rate::parse("1/m").unwrap());
    let of_provider = config_of(KeySource::File(provider.file()));
    let config = auth::Config { tokens: Some(tokens.file()), sign_in_failures, ..of_provider };
    let system = Embedded::start_with(&folder, config).await;
    let header = Header { kid: Some("ec".to_owned()), ..Header::new(Algorithm::ES256) };
    let forged = encode(&header, &claims(), &STRANGER.key()).unwrap();
    let (known, other) = (EC.sign(&claims()), ED.sign(&claims()));
    let ask = async |last: u8, path: &str, token: &str| show(&system, last, path, token).await;
    assert_eq!(ask(2, "/orders", &known).await.0, 200);
    assert_eq!(ask(2, "/session", &forged).await.0, 401);
    // Whatever it asks for, and whether or not the token is good.
    for (path, token) in [("/orders", &forged), ("/session", &forged), ("/orders", &other)] {
        let (status, answer) = ask(2, path, token).await;
        assert_eq!(status, 429, "{path}: {answer}");
        assert!(answer.contains("with a credential that fails"), "{answer}");
        assert!(answer.contains("retry-after: "), "{answer}");
    }
    assert_eq!(sign_in(&system, 2, &other).await.0, 429);
    // What is known needs no check.
    for token in [&known, &own] {
        assert_eq!(ask(2, "/orders", token).await.0, 200);
        assert_eq!(sign_in(&system, 2, token).await.0, 200);
    }
    assert_eq!(ask(3, "/orders", &other).await.0, 200, "others have their own");
    assert_eq!(ask(2, "/orders", &other).await.0, 200, "it is known by now");
    system.stop().await;
}

/// Behind one proxy a page that is left open shows a token that has ended for ever, and others sign in.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_have_ended_are_told_so_and_keep_no_others_of_the_address_out() {
    let (folder, provider) = (TempDir::default(), Provider::default());
    let sign_in_failures = Some(Rate::parse("1/m").unwrap());
    let of_provider = config_of(KeySource::File(provider.file()));
    let config = auth::Config { sign_in_failures, ..of_provider };
    let system = Embedded::start_with(&folder, config).await;
    let ended = [-60, -61, -62].map(|from_now| EC.sign(&but("exp", json!(seconds(from_now)))));
    // Each of them is new to the service, and then known.
    for token in ended.iter().chain(&ended) {
        let (status, answer) = show(&system, 2, "/orders", token).await;
        assert_eq!(status, 401, "{answer}");
        assert!(answer.contains("expired"), "{answer}");
    }
    assert_eq!(show(&system, 2, "/orders", &EC.sign(&claims())).await.0, 200);
    assert_eq!(sign_in(&system, 2, &ED.sign(&claims())).await.0, 200);
    // To sign in with one of them is a failure, as with any other token.
    for expected in [401, 429] {
        assert_eq!(sign_in(&system, 2, &ended[0]).await.0, expected);
    }
    assert_eq!(show(&system, 2, "/orders", &ended[0]).await.0, 401);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_ins_that_succeed_count_for_their_principal() {
    let (folder, tokens) = (TempDir::default(), Tokens::default());
    let (page, other) = (tokens.of("page", &[Query]), tokens.of("other", &[Query]));
    let operator = tokens.of("ops", &[Operate]);
    let rate = Some(Rate::parse("3/m").unwrap());
    let system = Embedded::start_with(&folder, auth::Config { rate, ..tokens.config() }).await;
    let operator = OrderClient::new(&with(&system.queries, &operator));
    let before = counted(&operator, "waybill_credentials_total{", "accepted").await;
    for last in 2..5 {
        assert_eq!(sign_in(&system, last, &page).await.0, 200);
    }
    // From whatever address; one more is due after 20 seconds.
    let (status, answer) = sign_in(&system, 5, &page).await;
    assert_eq!(status, 429, "{answer}");
    assert!(answer.contains("One principal may send 3 requests per minute."), "{answer}");
    assert_eq!(sign_in(&system, 5, &other).await.0, 200);
    assert!(counted(&operator, "waybill_credentials_total{", "accepted").await >= before + 4);
    drop(operator);
    system.stop().await;
}
