//! Random requests, most of them nearly right, from many clients at a time: each is answered, and none with
//! what says that the service is at fault. `PROPTEST_CASES=1000000` tries more.

use std::time::Instant;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestCaseResult;
use serde_json::Value;
use tests::fuzz::{Answer, Request, Target, Tried, config, corpus, try_at_a_time};

/// Memory of the whole system in one process, debug build, after any number of requests.
const MOST_MEMORY: u64 = 512 << 20;

/// What the descriptions of all services tell: routes, and names of parameters.
#[derive(Debug, Clone)]
struct Described {
    routes: Vec<(usize, String, String)>,
    parameters: Vec<String>,
}

impl Described {
    fn read(target: &mut Target) -> Self {
        let (mut routes, mut parameters) = (vec![], vec!["nothing".to_owned()]);
        for service in 0..3 {
            let ask = Request {
                service,
                method: "GET".to_owned(),
                target: b"/openapi.json".to_vec(),
                headers: vec![],
                body: vec![],
            };
            let answer = target.send(&ask).unwrap();
            let document: Value = serde_json::from_slice(&answer.body).unwrap();
            for (path, methods) in document["paths"].as_object().unwrap() {
                // A new log starts everything afresh, and is not there for a moment.
                if path == "/log/renew" {
                    continue;
                }
                for (method, operation) in methods.as_object().unwrap() {
                    routes.push((service, method.to_uppercase(), path.clone()));
                    let named = operation["parameters"].as_array().into_iter().flatten();
                    let named = named.filter(|it| it["in"] == "query");
                    parameters.extend(named.map(|it| it["name"].as_str().unwrap().to_owned()));
                }
            }
        }
        assert!(routes.len() > 40 && parameters.len() > 20, "{routes:?} {parameters:?}");
        parameters.sort();
        parameters.dedup();
        Self { routes, parameters }
    }
}

/// A value of a path, a parameter or a header: of the right form, nearly so, or any bytes.
fn odd() -> impl Strategy<Value = Vec<u8>> {
    let known = select(vec![
        "0",
        "1",
        "-1",
        "00",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551616",
        "1e3",
        "true",
        "null",
        "paid",
        "EUR",
        "809266d8-6c0c-4b69-812e-c155352a1fea",
        "809266d86c0c4b69812ec155352a1fea",
        "0f8fad5bd9cb469fa16570867728950e.5",
        "0f8fad5bd9cb469fa16570867728950e.g.1700000000000-3",
        "0f8fad5bd9cb469fa16570867728950e.3@order-809266d8-6c0c-4b69-812e-c155352a1fea",
        "2026-01-31",
        "2026-01-31T00:00:00Z",
        "2026-02-30T25:61:61.999999999999+99:99",
        "\"3-0f8fad5bd9cb469fa16570867728950e\"",
        "W/\"x\", *",
        "application/json;q=0.0001,*/*;q=2",
        "application/x-ndjson",
        "text/html",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "wait=0",
        "http://localhost:1",
        "%",
        "%2",
        "%00",
        "%ff%fe",
        "%F0%9F%98%80",
        "%252e%252e",
        "..",
        ".",
        "",
        "~",
        "_",
        "\u{feff}",
    ]);
    prop_oneof![
        6 => known.prop_map(|text| text.as_bytes().to_vec()),
        2 => "[ -~]{0,40}".prop_map(String::into_bytes),
        1 => "\\PC{0,20}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (select(vec!["a", "9", "%41", "é", "\"", ","]), 0..2_000_usize)
            .prop_map(|(text, times)| text.repeat(times).into_bytes()),
    ]
}

/// Bytes that end no line, and no part of a request line.
fn fits_target(bytes: Vec<u8>) -> Vec<u8> {
    let keep = |byte: &u8| !matches!(byte, b' ' | b'\r' | b'\n');
    bytes.into_iter().filter(keep).collect()
}

fn fits_header(bytes: Vec<u8>) -> Vec<u8> {
    bytes.into_iter().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)).collect()
}

fn json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        odd().prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        select(vec!["CreateOrder", "AddItem", "ProcessPayment", "ShipProducts", "RefundPayment"])
            .prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    let name = select(vec![
        "type",
        "order_id",
        "customer_id",
        "currency",
        "items",
        "sku",
        "name",
        "quantity",
        "unit_price",
        "amount",
        "reference",
        "reason",
        "carrier",
        "placed_at",
        "idempotency_key",
        "expected_version",
        "",
    ]);
    leaf.prop_recursive(4, 24, 5, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            3 => prop::collection::vec((name.clone(), inner), 0..8).prop_map(|fields| fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let text = json().prop_map(|value| value.to_string().into_bytes());
    let broken =
        (json(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(json, at, byte)| {
            let mut text = json.to_string().into_bytes();
            let at = at.index(text.len());
            text[at] = byte;
            text
        });
    let lines = prop::collection::vec(json(), 0..6).prop_map(|values| {
        values.iter().map(|value| format!("{value}\n")).collect::<String>().into_bytes()
    });
    prop_oneof![
        1 => Just(vec![]),
        4 => text,
        2 => broken,
        2 => lines,
        1 => prop::collection::vec(any::<u8>(), 0..200),
        1 => (select(vec!["[", "{\"a\":", "[[],", "\"", "1", "\n", "{}\n"]), 0..300_usize)
            .prop_map(|(text, times)| text.repeat(times).into_bytes()),
    ]
}

const HEADERS: [&str; 17] = [
    "content-type",
    "accept",
    "accept-encoding",
    "content-encoding",
    "if-match",
    "if-none-match",
    "idempotency-key",
    "consistency-token",
    "last-event-id",
    "origin",
    "host",
    "x-correlation-id",
    "x-causation-id",
    "traceparent",
    "access-control-request-method",
    "authorization",
    "cookie",
];

fn requests(described: Described) -> impl Strategy<Value = Request> {
    let Described { routes, parameters } = described;
    let method = select(vec!["GET", "POST", "DELETE", "HEAD", "PUT", "OPTIONS", "PATCH", "get"]);
    let query = prop::collection::vec((select(parameters), odd()), 0..4);
    let segments = prop::collection::vec(odd(), 3);
    let headers = prop::collection::vec((select(&HEADERS[..]), odd()), 0..4);
    let media = select(vec![
        "application/json",
        "application/json; charset=utf-8",
        "application/x-ndjson",
        "text/plain",
    ]);
    let route = (select(routes), proptest::option::weighted(0.1, method), segments, query);
    let any_target = proptest::option::weighted(0.1, prop::collection::vec(any::<u8>(), 1..60));
    (route, any_target, headers, (proptest::option::weighted(0.9, media), body())).prop_map(
        |((route, method, segments, query), any_target, headers, (media, body))| {
            let (service, own, path) = route;
            let mut target = vec![];
            let mut segments = segments.into_iter();
            for (index, part) in path.split(['{', '}']).enumerate() {
                match index % 2 {
                    0 => target.extend(part.as_bytes()),
                    _ => target.extend(segments.next().unwrap_or_default()),
                }
            }
            for (index, (name, value)) in query.into_iter().enumerate() {
                target.extend(if index == 0 { b"?" } else { b"&" });
                target.extend(name.as_bytes());
                target.push(b'=');
                target.extend(value);
            }
            if let Some(any) = any_target {
                target = [b"/".as_slice(), &any].concat();
            }
            let headers = headers.into_iter();
            let mut headers: Vec<_> =
                headers.map(|(name, value)| (name.to_owned(), fits_header(value))).collect();
            headers.push(("prefer".to_owned(), b"wait=0".to_vec()));
            if let Some(media) = media {
                headers.push(("content-type".to_owned(), media.as_bytes().to_vec()));
            }
            let method = method.map_or(own, str::to_owned);
            Request { service, method, target: fits_target(target), headers, body }
        },
    )
}

/// What an answer has to be.
fn judge(request: &Request, answer: &Answer) -> TestCaseResult {
    let text = String::from_utf8_lossy(&answer.body);
    // The views may not contain yet what a command of another case wrote; and after a rebuild that a case
    // asked for, a worker is not ready until it has turned to the new views.
    let is_probe = request.target.starts_with(b"/readyz");
    let may_wait = is_probe || text.contains("/problems/not-consistent-yet");
    let waits = answer.status == 503 && may_wait;
    prop_assert!(answer.status < 500 || waits, "{request:?}: {answer:?}");
    prop_assert!(answer.status >= 200, "{request:?}: {answer:?}");
    let is_problem = answer.head.contains("application/problem+json");
    prop_assert!(answer.status < 400 || answer.body.is_empty() || is_problem, "{answer:?}");
    Ok(())
}

#[test]
fn a_random_request_is_answered_and_never_breaks_a_service() {
    let mut target = Target::start();
    let described = Described::read(&mut target);
    target.until_ready(vec![]);
    for (name, kept) in corpus("requests") {
        let request = Request::read(&kept);
        let answer = target.send(&request).unwrap_or_else(|why| panic!("{name}: {why}"));
        judge(&request, &answer).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(Request::read(&request.kept()), request, "{name} can be kept");
    }
    let config = config(2_000, "requests");
    let _tried = Tried { what: "requests", cases: config.cases, started: Instant::now() };
    try_at_a_time(&target, &config, || requests(described.clone()), judge);
    target.check(MOST_MEMORY);
    println!("at most {} MiB of memory", target.peak() >> 20);
}
