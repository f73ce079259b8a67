//! Tokens of an identity provider.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use kernel::Timestamp;
use serde_json::{Value, json};
use shared::auth::jwt::{self, Claims};
use shared::auth::{self, KeySource, Role};
use tests::client::OrderClient;
use tests::embedded::Embedded;
use tests::jwt_keys::{EC, ED, Provider, STRANGER, base64url};
use tests::live::LiveClient;
use tests::orders;
use tests::services::{System, Urls};
use tests::stores::TempDir;
use tests::tokens::{Tokens, with};
use tests::until;
use waybill::client::Client;

pub(super) fn seconds(from_now: i64) -> i64 {
    Timestamp::now().as_millis() / 1_000 + from_now
}

/// What a good token says.
pub(super) fn claims() -> Value {
    json!({
        "iss": "https://id.example", "aud": ["waybill", "other"], "sub": "ann", "exp": seconds(600),
        "roles": ["query", "command"], "customer": "*",
    })
}

pub(super) fn but(name: &str, value: Value) -> Value {
    let mut claims = claims();
    match value.is_null() {
        true => drop(claims.as_object_mut().unwrap().remove(name)),
        false => claims[name] = value,
    }
    claims
}

fn config(provider: &Provider, tokens: Option<&Tokens>) -> auth::Config {
    let keys = KeySource::File(provider.file());
    auth::Config { tokens: tokens.map(Tokens::file), ..config_of(keys) }
}

/// Takes tokens that are signed by these keys.
pub(super) fn config_of(keys: KeySource) -> auth::Config {
    let claims = Claims {
        roles: "roles".to_owned(),
        prefix: String::new(),
        owner: Some("customer".to_owned()),
    };
    let jwt = jwt::Config {
        keys,
        issuer: "https://id.example".to_owned(),
        audience: "waybill".to_owned(),
        algorithms: vec![Algorithm::ES256, Algorithm::EdDSA],
        leeway: Duration::from_secs(5),
        claims,
    };
    // Many tokens that are none are shown by one address.
    auth::Config { jwt: Some(jwt), sign_in_failures: None, ..auth::Config::default() }
}

pub(super) async fn status(client: &Client, token: &str) -> u16 {
    OrderClient::new(&with(client, token)).get("/orders").await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_token_is_taken_when_all_that_it_says_is_good() {
    let (folder, provider, tokens) = (TempDir::default(), Provider::default(), Tokens::default());
    let own = tokens.of("own", &[Role::Query]);
    let system = Embedded::start_with(&folder, config(&provider, Some(&tokens))).await;
    let queries = &system.queries;
    let ec = |claims: &Value| EC.sign(claims);
    for (what, token) in [
        ("of both kinds of keys", ec(&claims())),
        ("with Ed25519", ED.sign(&claims())),
        ("with one audience", ec(&but("aud", json!("waybill")))),
        ("within the leeway", ec(&but("exp", json!(seconds(-2))))),
        ("valid since just now", ec(&but("nbf", json!(seconds(2))))),
        ("of the file of tokens", own),
    ] {
        assert_eq!(status(queries, &token).await, 200, "{what}");
        assert_eq!(status(queries, &token).await, 200, "{what}: again, from the cache");
    }
    for (what, token) in [
        ("expired", ec(&but("exp", json!(seconds(-60))))),
        ("without an end", ec(&but("exp", Value::Null))),
        ("an end that is none", ec(&but("exp", json!("later")))),
        ("not valid yet", ec(&but("nbf", json!(seconds(60))))),
        ("a beginning that is none", ec(&but("nbf", json!("1")))),
        ("another issuer", ec(&but("iss", json!("https://evil.example")))),
        ("no issuer", ec(&but("iss", Value::Null))),
        ("another audience", ec(&but("aud", json!(["other"])))),
        ("no audience", ec(&but("aud", Value::Null))),
        ("no subject", ec(&but("sub", Value::Null))),
        ("no role", ec(&but("roles", json!(["admin"])))),
        ("no owner, where one is asked for", ec(&but("customer", Value::Null))),
    ] {
        assert_eq!(status(queries, &token).await, 401, "{what}");
    }
    let expired = ec(&but("exp", json!(seconds(-60))));
    let told = OrderClient::new(&with(queries, &expired)).get("/orders").await;
    assert!(told.header("www-authenticate").unwrap().contains("expired"));
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_can_be_forged_by_no_trick_of_its_header() {
    let (folder, provider) = (TempDir::default(), Provider::default());
    let system = Embedded::start_with(&folder, config(&provider, None)).await;
    let queries = &system.queries;
    let good = EC.sign(&claims());
    assert_eq!(status(queries, &good).await, 200);
    let parts: Vec<&str> = good.split('.').collect();
    let part = |json: Value| base64url(json.to_string().as_bytes());
    let header = |alg: &str| part(json!({ "alg": alg, "kid": "ec", "typ": "JWT" }));
    let signed = |header: Header, key: &EncodingKey| encode(&header, &claims(), key).unwrap();
    let of = |kid: Option<&str>, alg| Header { kid: kid.map(str::to_owned), ..Header::new(alg) };
    // The public key, as all can read it, taken for a secret.
    let secrets = [EC.public(), EC.public().split("\"x\":\"").nth(1).unwrap()];
    let mut forged = vec![
        ("alg none", format!("{}.{}.", header("none"), parts[1])),
        ("alg None", format!("{}.{}.", header("None"), parts[1])),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        (
            "another payload",
            format!("{}.{}.{}", parts[0], part(but("sub", json!("bob"))), parts[2]),
        ),
        ("a signature that is cut", format!("{}.{}.{}", parts[0], parts[1], &parts[2][1..])),
        ("half", parts[..2].join(".")),
        ("one part more", format!("{good}.x")),
        ("another key of the kind", signed(of(Some("ec"), Algorithm::ES256), &STRANGER.key())),
        ("a key by another id", signed(of(Some("ed"), Algorithm::ES256), &EC.key())),
        ("a key by an unknown id", signed(of(Some("x"), Algorithm::ES256), &EC.key())),
        ("a logout", {
            let mut header = of(Some("ec"), Algorithm::ES256);
            header.typ = Some("logout+jwt".to_owned());
            signed(header, &EC.key())
        }),
        ("too long", {
            let mut claims = claims();
            claims["padding"] = json!("x".repeat(9_000));
            EC.sign(&claims)
        }),
    ];
    for secret in &secrets {
        let key = EncodingKey::from_secret(secret.as_bytes());
        forged.push(("HS256 with a public key", signed(of(Some("ec"), Algorithm::HS256), &key)));
        forged.push(("the same without an id", signed(of(None, Algorithm::HS256), &key)));
    }
    for (what, token) in &forged {
        assert_eq!(status(queries, token).await, 401, "{what}");
    }
    assert_eq!(status(queries, &signed(of(None, Algorithm::ES256), &EC.key())).await, 200);
    system.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_changes_goes_on_with_other_keys_and_ends_without_its_own() {
    let (folder, provider) = (TempDir::default(), Provider::default());
    let system = Embedded::start_with(&folder, config(&provider, None)).await;
    let (ec, ed) = (EC.sign(&claims()), ED.sign(&claims()));
    let gone = async |token: &str| {
        until("its key is gone", || async {
            (status(&system.queries, token).await == 401).then_some(())
        })
        .await;
    };
    let create = async |token: &str| {
        let commands = OrderClient::new(&with(&system.commands, token));
        let created = commands.create_order(&orders::order(5)).await;
        format!("order-{}", created.order_id())
    };
    let mut live = LiveClient::open_with(&system.queries, "/live", &ec, None).await;
    provider.write(&[&EC]);
    gone(&ed).await;
    for _ in 0..2 {
        let order = create(&ec).await;
        live.view_of(&order).await;
    }
    provider.write(&[&ED]);
    gone(&ec).await;
    create(&ed).await;
    let ended = async { while live.try_next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(40), ended).await.expect("the stream ends");
    system.stop().await;
}

/// Roles are those of the claim that is configured, with the prefix; and clocks may differ by two minutes.
async fn the_other_settings_hold(queries: &Client, scoped: &impl Fn(Value) -> Value) {
    let may = OrderClient::new(&with(queries, &EC.sign(&scoped(claims()))));
    assert_eq!(may.get("/session").await.json()["roles"], json!(["command", "query"]));
    assert_eq!(status(queries, &EC.sign(&claims())).await, 401, "another claim has its roles");
    let mut bare = claims();
    bare["scope"] = json!("query command");
    assert_eq!(status(queries, &EC.sign(&bare)).await, 401, "its roles have no prefix");
    for (from_now, expected) in [(-60, 200), (-180, 401)] {
        let token = EC.sign(&scoped(but("exp", json!(seconds(from_now)))));
        assert_eq!(status(queries, &token).await, expected, "it ends {from_now} s from now");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_bind_a_principal_and_name_the_actor_in_the_services() {
    let provider = Provider::default();
    let file = provider.file().display().to_string();
    let more = [
        ("WAYBILL_JWKS_FILE", file.as_str()),
        ("WAYBILL_JWT_ISSUER", "https://id.example"),
        ("WAYBILL_JWT_AUDIENCE", "waybill"),
        ("WAYBILL_JWT_ALGORITHMS", "ES256,EdDSA"),
        ("WAYBILL_JWT_OWNER_CLAIM", "customer"),
        ("WAYBILL_JWT_ROLES_CLAIM", "scope"),
        ("WAYBILL_JWT_ROLES_PREFIX", "waybill:"),
        ("WAYBILL_JWT_LEEWAY", "2m"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let system = System::start_with(&Urls::of_the_run(), &more, 1, 1).await;
    let commands = &system.commands[0].client;
    let scoped = |mut claims: Value| {
        claims["scope"] = json!("openid waybill:query waybill:command operate");
        claims.as_object_mut().unwrap().remove("roles");
        claims
    };
    let all = EC.sign(&scoped(claims()));
    let bound = EC.sign(&scoped(but("customer", json!("mine"))));
    the_other_settings_hold(&system.queries.client, &scoped).await;
    let mut order = orders::order(5);
    order["customer_id"] = json!("theirs");
    let made = OrderClient::new(&with(commands, &all)).create_order(&order).await;
    let path = format!("/orders/{}/events", made.order_id());
    let events = OrderClient::new(&with(commands, &all)).get(&path).await.json();
    assert_eq!(events["events"][0]["actor"], "jwt:ann", "{events}");
    let refused = OrderClient::new(&with(commands, &bound)).pay(made.order_id(), 1).await;
    assert_eq!((refused.status, refused.problem().as_str()), (404, "order-not-found"));
    let refused = OrderClient::new(&with(commands, &bound)).create_order(&order).await;
    assert_eq!((refused.status, refused.problem().as_str()), (403, "another-owner"));
    // Keys are changed without a restart.
    assert_eq!(status(&system.queries.client, &all).await, 200);
    provider.write(&[&ED]);
    until("the old key is gone", || async {
        (status(&system.queries.client, &all).await == 401).then_some(())
    })
    .await;
    assert_eq!(status(&system.queries.client, &ED.sign(&scoped(claims()))).await, 200);
    system.until_relayed().await;
    system.until_queues_are_empty().await;
    system.remove().await;
}
