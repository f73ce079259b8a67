//! The keys of an identity provider, fetched from where it serves them.

use std::time::Duration;

use futures::future::join_all;
use jsonwebtoken::{Algorithm, Header, encode};
use serde_json::json;
use shared::auth::KeySource;
use shared::http::ListenerOptions;
use shared::tls::ServerTls;
use tests::client::OrderClient;
use tests::embedded::Embedded;
use tests::jwt_keys::{EC, ED, RSA, STRANGER};
use tests::key_server::{KeyServer, set};
use tests::services::{Service, Urls};
use tests::stores::TempDir;
use tests::tokens::with;
use tests::{Own, until};
use tokio::time::Instant;
use waybill::client::Client;
use xtask::servers::Certificates;

use super::jwt::{claims, config_of, status};

const SOON: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);
const NEVER: Duration = Duration::from_secs(86_400);

async fn start(folder: &TempDir, server: &KeyServer, interval: Duration) -> Embedded {
    let early = if interval == NEVER { SECOND } else { SOON };
    let config = config_of(KeySource::Url(server.keys(interval, early)));
    Embedded::start_with(folder, config).await
}

async fn until_status(client: &Client, token: &str, expected: u16) {
    until(&format!("it is {expected}"), || async {
        (status(client, token).await == expected).then_some(())
    })
    .await;
}

/// What `/readyz` says, whatever its status.
async fn ready(client: &Client) -> String {
    let answer = client.send(http::Method::GET, "/readyz", &[], "").await.unwrap();
    String::from_utf8(answer.body.to_vec()).unwrap()
}

async fn until_told(client: &Client, text: &str) {
    until(&format!("{text} is told"), || async {
        ready(client).await.contains(text).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_change_are_seen_and_outlast_an_outage_of_their_server() {
    let folder = TempDir::default();
    let mut server = KeyServer::start(&[&EC]).await;
    let system = start(&folder, &server, SOON).await;
    let (ec, ed) = (EC.sign(&claims()), ED.sign(&claims()));
    assert_eq!(status(&system.queries, &ec).await, 200);
    assert_eq!(status(&system.queries, &ed).await, 401);
    server.answer(200, set(&[&EC, &ED]));
    until_status(&system.queries, &ed, 200).await;
    server.go_away();
    until_told(&system.queries, "the last good keys are in use since 20").await;
    for token in [&ec, &ed] {
        assert_eq!(status(&system.queries, token).await, 200, "the last good keys are in use");
    }
    server.answer(200, set(&[&ED]));
    server.come_back().await;
    until_status(&system.queries, &ec, 401).await;
    assert_eq!(status(&system.queries, &ed).await, 200);
    assert_eq!(ready(&system.queries).await.matches("jwks").count(), 0);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_keys_make_the_next_fetch_come_early_and_are_no_way_to_cause_many() {
    let folder = TempDir::default();
    let server = KeyServer::start(&[&EC]).await;
    let began = Instant::now();
    let system = start(&folder, &server, NEVER).await;
    server.answer(200, set(&[&EC, &ED]));
    let (ec, ed, unknown) = (EC.sign(&claims()), ED.sign(&claims()), STRANGER.sign(&claims()));
    assert_eq!(status(&system.queries, &ec).await, 200);
    assert_eq!(server.asked(), 1);
    until_status(&system.queries, &ed, 200).await;
    let strangers = join_all((0..500).map(|_| status(&system.queries, &unknown))).await;
    assert!(strangers.iter().all(|status| *status == 401));
    let asked = server.asked();
    let most = began.elapsed().as_secs() as usize + 2;
    assert!((2..=most).contains(&asked), "{asked} in {:?}", began.elapsed());
    // What is wrong in another way asks for nothing.
    let mut other = claims();
    other["aud"] = json!("other");
    let others = join_all((0..50).map(|_| status(&system.queries, "no.token.at-all"))).await;
    assert!(others.iter().all(|status| *status == 401));
    assert_eq!(status(&system.queries, &EC.sign(&other)).await, 401);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_answer_is_told_and_changes_nothing() {
    let folder = TempDir::default();
    let server = KeyServer::start(&[&EC]).await;
    let system = start(&folder, &server, SOON).await;
    let mut operator = claims();
    operator["roles"] = json!(["operate", "query"]);
    let token = EC.sign(&operator);
    let metrics = OrderClient::new(&with(&system.queries, &token));
    let secret = json!({ "keys": [{ "kty": "oct", "kid": "ec", "k": "c2VzYW1l" }] }).to_string();
    for (code, body, told) in [
        (200, "x".repeat(70_000), "expected up to 65536 bytes"),
        (500, set(&[&ED]), "expected status 200, got 500"),
        (200, "<html>".to_owned(), "no JSON"),
        (200, "{\"keys\": 7}".to_owned(), "expected a JWK set"),
        (200, set(&[]), "expected a public key"),
        (200, secret, "expected public keys alone"),
    ] {
        server.answer(code, body);
        until_told(&system.queries, told).await;
        assert_eq!(status(&system.queries, &token).await, 200, "{told}");
        assert_eq!(status(&system.queries, &ED.sign(&claims())).await, 401, "{told}");
    }
    let elsewhere = KeyServer::start(&[&EC, &ED]).await;
    for code in [301, 302, 303, 307, 308] {
        server.redirect(code, &elsewhere.url());
        until_told(&system.queries, &format!("expected status 200, got {code}")).await;
    }
    assert_eq!(status(&system.queries, &ED.sign(&claims())).await, 401);
    assert_eq!(elsewhere.asked(), 0, "keys come from the configured address alone");
    until("it is measured", || async {
        let text = metrics.get("/metrics").await.body;
        let text = String::from_utf8(text.to_vec()).unwrap();
        assert!(!text.contains("waybill_jwks_fetched_timestamp_seconds 0\n"));
        text.contains("\nwaybill_jwks_readable 0\n").then_some(())
    })
    .await;
    drop(metrics);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_address_that_a_token_names_is_asked_and_no_key_that_it_brings_is_used() {
    let folder = TempDir::default();
    let server = KeyServer::start(&[&EC]).await;
    let elsewhere = KeyServer::start(&[&EC, &STRANGER]).await;
    let system = start(&folder, &server, SOON).await;
    let url = || Some(elsewhere.url());
    let bare = |id: &str| Header { kid: Some(id.to_owned()), ..Header::new(Algorithm::ES256) };
    let jwk = Some(serde_json::from_str(STRANGER.public()).unwrap());
    for (what, header) in [
        ("a set of keys", Header { jku: url(), ..bare("stranger") }),
        ("a certificate", Header { x5u: url(), ..bare("stranger") }),
        ("both, by an id that is known", Header { jku: url(), x5u: url(), ..bare("ec") }),
        ("a key", Header { jwk, ..bare("stranger") }),
    ] {
        let token = encode(&header, &claims(), &STRANGER.key()).unwrap();
        assert_eq!(status(&system.queries, &token).await, 401, "{what}");
    }
    let good = Header { jku: url(), x5u: url(), ..bare("ec") };
    let good = encode(&good, &claims(), &EC.key()).unwrap();
    assert_eq!(status(&system.queries, &good).await, 200, "what it names is not looked at");
    let asked = server.asked();
    until("keys are fetched again, twice", || async {
        (server.asked() >= asked + 2).then_some(())
    })
    .await;
    assert_eq!(elsewhere.asked(), 0);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_waits_for_the_first_keys_which_may_come_by_tls_of_a_ca_of_its_own() {
    let (own, folder) = (Own::default(), TempDir::default());
    let certificates = Certificates::new(&folder.0).unwrap();
    let pair = certificates.server.clone();
    let tls = Some(ServerTls::read(pair.certificate, pair.key).unwrap());
    let options = ListenerOptions { tls, ..ListenerOptions::default() };
    let server = KeyServer::start_with(&[&EC], options).await;
    server.answer(503, "");
    let (url, ca) = (server.url(), certificates.ca.display().to_string());
    let more = [
        ("WAYBILL_JWKS_URL", url.as_str()),
        ("WAYBILL_JWT_ISSUER", "https://id.example"),
        ("WAYBILL_JWT_AUDIENCE", "waybill"),
        ("WAYBILL_JWKS_CA_FILE", &ca),
    ];
    let start = |more: &[(&str, &str)]| {
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let more: Vec<_> = more.collect();
        Service::start_with("query-api", own.namespace.as_str(), &Urls::of_the_run(), &more)
    };
    let service = start(&more);
    service.until_listening().await;
    let session = async |token: String| {
        OrderClient::new(&with(&service.client, &token)).get("/session").await
    };
    until_told(&service.client, "expected status 200, got 503").await;
    let refused = session(EC.sign(&claims())).await;
    assert_eq!((refused.status, refused.problem().as_str()), (503, "unavailable"));
    assert!(refused.header("retry-after").is_some());
    server.answer(200, set(&[&EC, &RSA]));
    until("the keys are there", || async {
        (session(EC.sign(&claims())).await.status == 200).then_some(())
    })
    .await;
    assert_eq!(session(RSA.sign(&claims())).await.status, 200, "RS256 is one by default");
    assert!(!ready(&service.client).await.contains("jwks"));
    // Of another CA no keys are taken, and it is told which variable to look at.
    let service = start(&more[..3]);
    service.until_listening().await;
    until_told(&service.client, "see WAYBILL_JWKS_CA_FILE").await;
    own.remove().await;
}
