//! Random input to everything that reads bytes of others: an error or a value, never a panic, and what was
//! written is read back. `PROPTEST_CASES=1000000` tries more.

mod credentials;

use std::time::Instant;

use kernel::log::LogId;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use shared::http::consistency_token::{FeedCursor, Token};
use shared::http::rate::Rate;
use shared::http::{Hosts, Origins, path, strict_json, wait};
use shared::messaging::cloud_event::decode;
use shared::service::config::{Settings, duration};
use tests::fuzz::{Tried, config, corpus, mutated};
use waybill::import::rows;

/// Tries what is kept, and then as many changes of that and of what is known as are asked for.
fn try_all(
    what: &'static str,
    known: Vec<Vec<u8>>,
    test: impl Fn(Vec<u8>) -> Result<(), TestCaseError>,
) {
    let kept = corpus(what);
    for (name, input) in &kept {
        test(input.clone()).unwrap_or_else(|why| panic!("{name}: {why}"));
    }
    let known = known.into_iter().chain(kept.into_iter().map(|(_, input)| input)).collect();
    let config = config(5_000, what);
    let _tried = Tried { what, cases: config.cases, started: Instant::now() };
    TestRunner::new(config).run(&mutated(known), test).unwrap();
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn bytes_of(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

const LOG: &str = "0f8fad5bd9cb469fa16570867728950e";

#[test]
fn tokens_and_cursors() {
    let known = bytes_of(&[
        "0f8fad5bd9cb469fa16570867728950e.5",
        "0f8fad5bd9cb469fa16570867728950e.9223372036854775807",
        "0f8fad5bd9cb469fa16570867728950e.3@order-809266d8-6c0c-4b69-812e-c155352a1fea",
        "0f8fad5bd9cb469fa16570867728950e.3@order-809266d8-6c0c-4b69-812e-c155352a1fea,\
         4@order-0f8fad5b-d9cb-469f-a165-70867728950e",
    ]);
    assert!(known.iter().all(|token| Token::parse(&lossy(token)).is_ok()), "they are valid");
    try_all("tokens", known, |bytes| {
        let text = lossy(&bytes);
        if let Ok(token) = Token::parse(&text) {
            let again = Token::parse(&token.to_string());
            prop_assert_eq!(again.as_ref(), Ok(&token), "{}", text);
        }
        if let Some(cursor) = FeedCursor::parse(&text) {
            let again = FeedCursor::parse(&cursor.to_string());
            prop_assert_eq!(again.as_ref(), Some(&cursor), "{}", text);
        }
        Ok(())
    });
}

#[test]
fn cloud_events() {
    let event = serde_json::json!({
        "specversion": "1.0",
        "id": "01890a5d-ac96-774b-bcce-b302099a8057",
        "source": format!("/waybill/{LOG}"),
        "type": "waybill.OrderCreated",
        "subject": "order-809266d8-6c0c-4b69-812e-c155352a1fea",
        "time": "2026-01-31T00:00:00.000Z",
        "datacontenttype": "application/json",
        "dataschema": "/schemas/OrderCreated/1",
        "sequence": "0000000000000000001",
        "position": "0000000000000000007",
        "index": 0,
        "correlationid": "c",
        "data": { "customer_id": "c" },
    });
    let log = LogId::parse(LOG).unwrap();
    assert_eq!(decode(event.to_string().as_bytes(), &log).rejected.len(), 0, "it is valid");
    let batch = serde_json::json!([event, event, 1, null, { "specversion": "1.0" }]);
    let known = bytes_of(&[&event.to_string(), &batch.to_string(), "[]", "[[[[", ""]);
    try_all("cloud-events", known, |bytes| {
        let decoded = decode(&bytes, &log);
        let kept: usize = decoded.rejected.iter().map(|rejected| rejected.body.len()).sum();
        prop_assert!(kept <= bytes.len() + 2, "what is rejected is a part of the message");
        Ok(())
    });
}

#[test]
fn json() {
    let known = bytes_of(&[
        r#"{"a": [1, -1, 1.5, 1e300, true, null, "ä\n"], "b": {"a": {}}, "c": 18446744073709551615}"#,
        r#"{"\u0061": "\ud83d\ude00", "a": "\ud83d"}"#,
        &"[".repeat(200),
        &format!("{}{}", "[".repeat(127), "]".repeat(127)),
    ]);
    try_all("json", known, |bytes| {
        if let Ok(value) = strict_json::read(&bytes) {
            let again = strict_json::read(value.to_string().as_bytes());
            prop_assert!(again.is_ok_and(|again| again == value), "{:?}", lossy(&bytes));
        }
        Ok(())
    });
}

#[test]
fn files_of_commands() {
    let known = bytes_of(&[
        "type,order_id,customer_id,sku,quantity,unit_price,amount\nCreateOrder,o,c,A,1,100,\n\
         CreateOrder,o,c,B,2,5,\nProcessPayment,o,,,,,110\n\"Ship\nProducts\",o,,A,1,,\n",
        "type,type,type\na,b,c\n",
        "\u{feff}{\"type\":\"CancelOrder\"}\n\nnonsense\n{\"a\":1}",
        "\"\"\"\"\"\n,,,\r\r\n",
        "",
    ]);
    try_all("files", known, |bytes| {
        let length = bytes.len();
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
        for row in rows::ndjson(std::io::Cursor::new(bytes.clone())) {
            prop_assert!(row.line as usize <= lines, "{row:?}");
        }
        if let Ok(read) = rows::csv(std::io::Cursor::new(bytes), "reading") {
            prop_assert!(read.count() <= length + 1);
        }
        Ok(())
    });
}

#[test]
fn paths_headers_and_settings() {
    let known = bytes_of(&[
        "orders/809266d8-6c0c-4b69-812e-c155352a1fea/items/%C3%A4%2F",
        "%",
        "%f",
        "%00%ff",
        "a//b/",
        "wait=30, respond-async",
        "wait=\"3\"",
        "orders.example.com,waybill",
        "https://orders.example.com,http://[::1]:80/",
        "100/s",
        "500ms",
        "99999999999999999999m",
        "0.0.0.0:80",
        "info,command_api=debug",
        "[::1]:1",
    ]);
    try_all("texts", known, |bytes| {
        let text = lossy(&bytes);
        drop((path::segments(&text), wait::preferred(Some(&text))));
        drop((Hosts::parse(&text), Origins::parse(&text), Rate::parse(&text), duration(&text)));
        drop((uuid_of(&text), kernel::Timestamp::parse(&text), kernel::Namespace::parse(&text)));
        let names = ["WAYBILL_COMMAND_LISTEN", "WAYBILL_LOG", "WAYBILL_MAX_LAG", "WAYBILL_HOSTS"];
        let set = |name: &str| (name.to_owned(), text.clone());
        let urls = ["MONGODB", "RABBITMQ", "REDIS"].map(|name| set(&format!("WAYBILL_{name}_URL")));
        let settings = Settings::from_map(names.map(set).into_iter().chain(urls));
        drop(command_api::config::Config::read(settings));
        Ok(())
    });
}

fn uuid_of(text: &str) -> Option<uuid::Uuid> {
    kernel::aggregate::parse_id(text)
}
