//! Orders as tests ask for them and as the log has them. Unless a test says otherwise, an order is
//! of customer `c`, in EUR, for one lamp (sku `A`).

use kernel::Timestamp;
use kernel::log::{Commit, Event, Meta, Position, StreamName, Version};
use serde_json::{Value, json};
use uuid::Uuid;

/// When orders are placed that must not depend on the time of the test.
pub const PLACED_AT: &str = "2026-01-01T00:00:00Z";

/// The name of an event, of schema 1, and its data.
pub type NamedEvent = (&'static str, Value);

pub fn stream() -> StreamName {
    StreamName::new("order", Uuid::new_v4())
}

/// So many units of a product, at a price in cents for each.
pub fn item(sku: &str, quantity: i64, unit_price: i64) -> Value {
    let name = if sku == "A" { "Lamp" } else { "Chair" };
    json!({ "sku": sku, "name": name, "quantity": quantity, "unit_price": unit_price })
}

/// The body of `POST /orders`, for one lamp at this price. It is placed when it arrives.
pub fn order(unit_price: i64) -> Value {
    order_of(&[item("A", 1, unit_price)])
}

/// The order, placed at this time.
pub fn placed_at(time: &str, mut order: Value) -> Value {
    order["placed_at"] = json!(time);
    order
}

pub fn order_of(items: &[Value]) -> Value {
    json!({ "customer_id": "c", "currency": "EUR", "items": items })
}

/// The command of this type, with the fields of `with`.
pub fn command(kind: &str, mut with: Value) -> Value {
    with["type"] = json!(kind);
    with
}

/// The command for an order.
pub fn to(order: Uuid, mut command: Value) -> Value {
    command["order_id"] = json!(order);
    command
}

/// The command that creates an order for one lamp at this price, placed at [`PLACED_AT`].
pub fn create(unit_price: i64) -> Value {
    create_of(&[item("A", 1, unit_price)])
}

pub fn create_of(items: &[Value]) -> Value {
    command("CreateOrder", placed_at(PLACED_AT, order_of(items)))
}

pub fn addition(item: Value) -> Value {
    command("AddItem", item)
}

pub fn removal(sku: &str) -> Value {
    command("RemoveItem", json!({ "sku": sku }))
}

pub fn payment(amount: i64) -> Value {
    command("ProcessPayment", json!({ "amount": amount }))
}

/// The command that ships everything that is left to ship.
pub fn shipment() -> Value {
    command("ShipProducts", json!({}))
}

/// The first event of an order for one lamp at this price.
pub fn created(stream: &StreamName, unit_price: i64) -> NamedEvent {
    created_of(stream, &[item("A", 1, unit_price)])
}

pub fn created_of(stream: &StreamName, items: &[Value]) -> NamedEvent {
    let mut order = placed_at(PLACED_AT, order_of(items));
    order["order_id"] = json!(stream.id());
    ("OrderCreated", order)
}

pub fn added(item: Value) -> NamedEvent {
    ("ItemAdded", item)
}

pub fn removed(sku: &str) -> NamedEvent {
    ("ItemRemoved", json!({ "sku": sku }))
}

pub fn paid(amount: i64) -> NamedEvent {
    ("PaymentProcessed", json!({ "amount": amount }))
}

pub fn refunded(amount: i64) -> NamedEvent {
    ("PaymentRefunded", json!({ "amount": amount }))
}

pub fn shipped(quantity: i64) -> NamedEvent {
    ("ProductShipped", json!({ "items": [{ "sku": "A", "quantity": quantity }] }))
}

pub fn delivered(quantity: i64) -> NamedEvent {
    ("ProductDelivered", json!({ "items": [{ "sku": "A", "quantity": quantity }] }))
}

pub fn cancelled() -> NamedEvent {
    ("OrderCancelled", json!({}))
}

/// An event that no version of the domain can read.
pub fn unreadable() -> NamedEvent {
    ("UnknownEvent", json!({}))
}

/// The event as a log has it.
pub fn event((kind, data): &NamedEvent) -> Event {
    Event { id: Uuid::now_v7(), kind: (*kind).to_owned(), schema: 1, data: data.clone().into() }
}

/// A commit of one event, made now, with a key of its own.
pub fn commit(
    position: Position,
    stream: &StreamName,
    version: Version,
    named: &NamedEvent,
) -> Commit {
    Commit {
        position,
        stream: stream.clone(),
        from: version,
        to: version,
        events: vec![event(named)],
        at: Timestamp::now(),
        meta: Meta { correlation: "c".to_owned(), ..Meta::default() },
        key: None,
        fingerprint: String::new(),
    }
}
