//! Random credentials, most of them nearly right: each is answered, and refused unless it is one that is known.
//! `PROPTEST_CASES=1000000` tries more.

use std::cell::RefCell;
use std::time::Instant;

use kernel::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use serde_json::json;
use shared::auth::Role::{Operate, Query};
use tests::fuzz::{Request, Target, Tried, config, mutated};
use tests::jwt_keys::{EC, Provider};
use tests::tokens::Tokens;

/// Memory of the whole system in one process, debug build, after any number of requests.
const MOST_MEMORY: u64 = 512 << 20;

/// Operations that need a credential, and are answered at once.
const PATHS: [(usize, &str); 8] = [
    (0, "/events?limit=1"),
    (0, "/metrics"),
    (0, "/nothing"),
    (1, "/orders?limit=1"),
    (1, "/session"),
    (1, "/stats"),
    (2, "/generations"),
    (2, "/operations"),
];

/// What a client shows, in every way in which it may.
fn shown(good: &[String]) -> Vec<Vec<u8>> {
    let ways = |one: &String| {
        [
            format!("Bearer {one}"),
            format!("bEARER \t {one}"),
            format!("Basic {one}"),
            one.clone(),
            format!("waybill_session={one}"),
            format!("a=b; __Host-waybill_session={one}; waybill_session=x"),
        ]
    };
    good.iter().flat_map(ways).map(String::into_bytes).collect()
}

fn value(good: &[String]) -> impl Strategy<Value = Vec<u8>> + use<> {
    let value = prop_oneof![
        6 => mutated(shown(good)),
        1 => prop::collection::vec(any::<u8>(), 0..200),
        1 => (select(vec!["Bearer ", "wb_", "=", ";", ".", "a"]), 0..1_000_usize)
            .prop_map(|(text, times)| text.repeat(times).into_bytes()),
    ];
    // What else a header may not hold is refused before the guard.
    let fits = |byte: &u8| *byte == b'\t' || !byte.is_ascii_control();
    value.prop_map(move |bytes: Vec<u8>| bytes.into_iter().filter(fits).collect::<Vec<u8>>())
}

fn requests(good: &[String]) -> impl Strategy<Value = Request> + use<> {
    let header = (select(vec!["authorization", "cookie"]), value(good));
    let asks = (select(PATHS.to_vec()), prop::collection::vec(header, 0..3)).prop_map(
        |((service, path), headers)| Request {
            service,
            method: "GET".to_owned(),
            target: path.as_bytes().to_vec(),
            headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            body: vec![],
        },
    );
    let bodies = good.iter().map(|one| json!({ "token": one }).to_string().into_bytes());
    let signs_in = mutated(bodies.collect()).prop_map(|body| Request {
        service: 1,
        method: "POST".to_owned(),
        target: b"/session".to_vec(),
        headers: vec![("content-type".to_owned(), b"application/json".to_vec())],
        body,
    });
    prop_oneof![4 => asks, 1 => signs_in]
}

fn shows(request: &Request, good: &[String]) -> bool {
    let values = request.headers.iter().map(|(_, value)| value).chain([&request.body]);
    let texts: Vec<String> = values.map(|it| String::from_utf8_lossy(it).into_owned()).collect();
    good.iter().any(|one| texts.iter().any(|text| text.contains(one)))
}

#[test]
fn a_random_credential_is_refused_and_never_breaks_a_service() {
    let (tokens, provider) = (Tokens::default(), Provider::default());
    let claims = json!({
        "iss": "https://id.example", "aud": "waybill", "sub": "ann", "roles": ["query", "operate"],
        "exp": Timestamp::now().as_millis() / 1_000 + 86_400,
    });
    let good = [tokens.of("all", &[Query, Operate]), EC.sign(&claims)];
    let target = Target::start_with(&[
        ("WAYBILL_TOKENS_FILE", tokens.file().display().to_string()),
        ("WAYBILL_JWKS_FILE", provider.file().display().to_string()),
        ("WAYBILL_JWT_ISSUER", "https://id.example".to_owned()),
        ("WAYBILL_JWT_AUDIENCE", "waybill".to_owned()),
        ("WAYBILL_SIGN_IN_FAILURES", "off".to_owned()),
    ]);
    let target = RefCell::new(target);
    for one in &good {
        let headers = vec![("authorization".to_owned(), format!("Bearer {one}").into_bytes())];
        assert_eq!(target.borrow_mut().until_ready(headers), 200, "it is good");
    }
    let config = config(2_000, "credentials-over-http");
    let _tried = Tried { what: "credentials", cases: config.cases, started: Instant::now() };
    let ran = TestRunner::new(config).run(&requests(&good), |request| {
        let answer = target.borrow_mut().send(&request);
        let answer = answer.map_err(|why| TestCaseError::fail(format!("{request:?}: {why}")))?;
        prop_assert!((200..500).contains(&answer.status), "{request:?}: {answer:?}");
        if !shows(&request, &good) {
            let refused = match request.method.as_str() {
                "GET" => answer.status == 401,
                _ => answer.status >= 400,
            };
            prop_assert!(refused, "{request:?}: {answer:?}");
        }
        Ok(())
    });
    ran.unwrap();
    target.into_inner().check(MOST_MEMORY);
}
