//! How events are written, and how every schema ever written is read.
//!
//! A changed event gets the next schema version, a golden file in `orders/golden/`, and an
//! upcaster here that leads from the version before to it; files and upcasters stay for ever.

use kernel::aggregate::Invalid;
use kernel::json::Json;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Event;

/// Name, schema version and data.
pub fn encode(event: &Event) -> Result<(String, u32, Json), Invalid> {
    let (name, schema, data) = match event {
        Event::OrderCreated(data) => ("OrderCreated", 1, json(data)),
        Event::ItemAdded(data) => ("ItemAdded", 1, json(data)),
        Event::ItemRemoved(data) => ("ItemRemoved", 1, json(data)),
        Event::PaymentProcessed(data) => ("PaymentProcessed", 1, json(data)),
        Event::PaymentRefunded(data) => ("PaymentRefunded", 1, json(data)),
        Event::ProductShipped(data) => ("ProductShipped", 1, json(data)),
        Event::ProductDelivered(data) => ("ProductDelivered", 1, json(data)),
        Event::OrderCancelled(data) => ("OrderCancelled", 1, json(data)),
    };
    Ok((name.to_owned(), schema, data?))
}

pub fn decode(event: &kernel::log::Event) -> Result<Event, Invalid> {
    match (event.kind.as_str(), event.schema) {
        ("OrderCreated", 1) => Ok(Event::OrderCreated(read(event)?)),
        ("ItemAdded", 1) => Ok(Event::ItemAdded(read(event)?)),
        ("ItemRemoved", 1) => Ok(Event::ItemRemoved(read(event)?)),
        ("PaymentProcessed", 1) => Ok(Event::PaymentProcessed(read(event)?)),
        ("PaymentRefunded", 1) => Ok(Event::PaymentRefunded(read(event)?)),
        ("ProductShipped", 1) => Ok(Event::ProductShipped(read(event)?)),
        ("ProductDelivered", 1) => Ok(Event::ProductDelivered(read(event)?)),
        ("OrderCancelled", 1) => Ok(Event::OrderCancelled(read(event)?)),
        (kind, schema) => {
            Err(Invalid::new(format!("event {kind} of schema {schema} is unknown to this build")))
        }
    }
}

fn json(data: &impl Serialize) -> Result<Json, Invalid> {
    Json::of(data).map_err(Invalid::new)
}

fn read<T: DeserializeOwned>(event: &kernel::log::Event) -> Result<T, Invalid> {
    event.data.read().map_err(|error| {
        Invalid::new(format!(
            "event {} ({} of schema {}): {error}",
            event.id, event.kind, event.schema
        ))
    })
}
