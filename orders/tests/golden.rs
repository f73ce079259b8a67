//! Every schema of every event ever written still reads, and today's are written as recorded.
//!
//! A file is `golden/<event>.<schema>.json`. Files are added, never changed.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::path::Path;

use kernel::aggregate::Aggregate as _;
use kernel::log::Event;
use orders::OrderAggregate;
use serde_json::Value;
use uuid::Uuid;

fn golden() -> Vec<Event> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut events = vec![];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let (kind, schema) = name.split_once('.').expect("<event>.<schema>.json");
        let data: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        events.push(Event {
            id: Uuid::nil(),
            kind: kind.to_owned(),
            schema: schema.parse().unwrap(),
            data: data.into(),
        });
    }
    events
}

#[test]
fn every_schema_ever_written_reads() {
    for event in golden() {
        OrderAggregate::decode(&event)
            .unwrap_or_else(|invalid| panic!("{} {}: {invalid:?}", event.kind, event.schema));
    }
}

#[test]
fn the_newest_schema_of_each_event_is_written_as_recorded() {
    let events = golden();
    for event in &events {
        let newest =
            events.iter().filter(|other| other.kind == event.kind).map(|other| other.schema).max();
        if Some(event.schema) == newest {
            let written = OrderAggregate::encode(&OrderAggregate::decode(event).unwrap()).unwrap();
            assert_eq!(written, (event.kind.clone(), event.schema, event.data.clone()));
        }
    }
}

#[test]
fn every_event_has_a_golden_file() {
    let kinds: BTreeSet<String> = golden().into_iter().map(|event| event.kind).collect();
    let expected = [
        "ItemAdded",
        "ItemRemoved",
        "OrderCancelled",
        "OrderCreated",
        "PaymentProcessed",
        "PaymentRefunded",
        "ProductDelivered",
        "ProductShipped",
    ];
    assert_eq!(kinds, expected.map(str::to_owned).into());
}
