//! The same for what clients show of who they are, for the files that say who may, and for the place from
//! which a stream goes on.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use jsonwebtoken::Algorithm;
use kernel::Timestamp;
use proptest::prelude::*;
use query_api::live::EventId;
use serde_json::json;
use shared::auth::KeySource;
use shared::auth::jwt::{Claims, Config, Verifier};
use shared::auth::token::Token;
use shared::auth::token_file::TokenFile;
use shared::http::guard::bearer;
use shared::http::session::cookie;
use tests::jwt_keys::{EC, ED};

use super::{LOG, bytes_of, lossy, try_all};

const TOKEN: &str =
    "wb_0123456789ab_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[test]
fn bearer_tokens_and_cookies() {
    let known = bytes_of(&[
        TOKEN,
        &format!("Bearer {TOKEN}"),
        &format!("bearer   {TOKEN} "),
        "Bearer",
        "Basic d2F5YmlsbDp3YXliaWxs",
        &format!("waybill_session={TOKEN}"),
        &format!("a=b; __Host-waybill_session={TOKEN}; c=\"d;e\"; waybill_session="),
        "waybill_session=a; waybill_session=b",
        ";;;===",
    ]);
    try_all("credentials", known, |bytes| {
        let text = lossy(&bytes);
        if let Some(token) = Token::parse(&text) {
            prop_assert_eq!(token.expose(), text.as_str());
        }
        if let Some(token) = bearer(&text) {
            prop_assert!(text.to_ascii_lowercase().trim().starts_with("bearer"), "{}", text);
            prop_assert!(text.contains(token) && token.trim() == token, "{}", text);
        }
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            let mut headers = HeaderMap::new();
            headers.insert(http::header::COOKIE, value);
            if let Some(token) = cookie::token(&headers) {
                prop_assert!(text.contains("waybill_session"), "{}", text);
                prop_assert!(!token.is_empty() && !token.contains(';'), "{}", text);
            }
        }
        Ok(())
    });
}

fn config() -> Config {
    Config {
        keys: KeySource::File("jwks.json".into()),
        issuer: "https://id.example".to_owned(),
        audience: "waybill".to_owned(),
        algorithms: vec![Algorithm::ES256, Algorithm::EdDSA],
        leeway: Duration::from_secs(30),
        claims: Claims { roles: "roles".to_owned(), prefix: String::new(), owner: None },
    }
}

fn key_set() -> String {
    format!(r#"{{"keys":[{},{}]}}"#, EC.public(), ED.public())
}

#[test]
fn tokens_of_an_identity_provider() {
    let claims = json!({
        "iss": "https://id.example", "aud": "waybill", "sub": "ann", "roles": ["query"],
        "exp": Timestamp::now().as_millis() / 1_000 + 86_400,
    });
    let good = [EC.sign(&claims), ED.sign(&claims)];
    let verifier = Verifier::new(&config(), key_set().as_bytes()).unwrap();
    for token in &good {
        assert!(verifier.find(token).is_ok(), "it is good");
    }
    let known = bytes_of(&[&good[0], &good[1], "..", "a.b.c", "eyJhbGciOiJub25lIn0.e30."]);
    try_all("jwts", known, |bytes| {
        let text = lossy(&bytes);
        let is_taken = verifier.find(&text).is_ok();
        prop_assert_eq!(is_taken, good.contains(&text), "{}", text);
        // A key that the set lacks is named by its id alone.
        prop_assert!(!(is_taken && verifier.lacks_key_of(&text)), "{}", text);
        Ok(())
    });
}

#[test]
fn sets_of_keys() {
    let secret = r#"{"keys":[{"kty":"oct","k":"c2VzYW1l","alg":"HS256","kid":"ec"}]}"#;
    let weak = r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#;
    for refused in [secret, weak, r#"{"keys":[]}"#, "{}", ""] {
        assert!(Verifier::new(&config(), refused.as_bytes()).is_err(), "{refused}");
    }
    let known = bytes_of(&[&key_set(), secret, weak]);
    try_all("key-sets", known, |bytes| {
        let read = Verifier::new(&config(), &bytes);
        if let Ok(verifier) = read {
            prop_assert!(verifier.find("eyJhbGciOiJub25lIn0.e30.").is_err());
            prop_assert!(lossy(&bytes).contains("keys"));
        }
        Ok(())
    });
}

#[test]
fn files_of_tokens() {
    let digest = "60e05bd1b195af2f94112fa7197a5c88289058840ce7c6df9693756bc6250f55";
    let entry = |id: &str| {
        json!({
            "id": id, "principal": "shop", "roles": ["command", "query"], "owner": "C-1",
            "sha256": digest, "created": "2026-01-01T00:00:00.000Z",
            "expires": "2027-01-01T00:00:00.000Z", "revoked": null,
        })
    };
    let file = json!({ "tokens": [entry("0123456789ab"), entry("ba9876543210")] }).to_string();
    assert!(TokenFile::parse(file.as_bytes()).is_ok(), "it is valid");
    let known = bytes_of(&[&file, r#"{"tokens":[]}"#, "{}", "[]", ""]);
    try_all("token-files", known, |bytes| {
        if let Ok(read) = TokenFile::parse(&bytes) {
            let written = serde_json::to_vec(&read).unwrap();
            let again = TokenFile::parse(&written).map(|again| serde_json::to_vec(&again).unwrap());
            prop_assert_eq!(again, Ok(written), "{}", lossy(&bytes));
        }
        Ok(())
    });
}

#[test]
fn ids_of_events() {
    let known = bytes_of(&[
        &format!("{LOG}.g.1700000000000-3"),
        &format!("{LOG}.order-v7-0f8fad5b.18446744073709551615-18446744073709551615"),
        "a.b.1-2",
        "...",
    ]);
    let good = format!("{LOG}.g.1700000000000-3");
    assert!(EventId::parse(&good).is_some(), "it is valid");
    try_all("event-ids", known, |bytes| {
        let text = lossy(&bytes);
        if let Some(id) = EventId::parse(&text) {
            let again = EventId::parse(&id.to_string());
            prop_assert_eq!(again.as_ref(), Some(&id), "{}", text);
        }
        Ok(())
    });
}
