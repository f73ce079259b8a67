//! Shipping and delivering take time in proportion to the items, of which an order of an old log may have many
//! more than are allowed today.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::time::{Duration, Instant};

use kernel::aggregate::{Aggregate as _, CommandContext};
use kernel::{Timestamp, log};
use orders::{Command, Order, OrderAggregate, Status};
use serde_json::{Value, json};
use uuid::Uuid;

/// Enough that a look through all items for each of them would take far longer than all else.
const FEW: usize = 2_000;
const TIMES: usize = 10;
/// Ten times as many items take some ten times as long; a hundred times, if each is looked for among all.
const MOST: u32 = 40;
/// The shortest of them was interrupted least.
const ATTEMPTS: usize = 7;

fn order_id() -> Uuid {
    Uuid::from_u128(7)
}

fn sku(number: usize) -> String {
    format!("{number:064}")
}

/// An order that costs nothing, with one unit of each of so many products.
fn order(items: usize) -> Option<Order> {
    let item = |number| json!({ "sku": sku(number), "name": "n", "quantity": 1, "unit_price": 0 });
    let items: Vec<Value> = (0..items).map(item).collect();
    let data = json!({
        "order_id": order_id(), "customer_id": "c", "currency": "EUR",
        "items": items, "placed_at": "2026-01-01T00:00:00Z",
    });
    let kind = "OrderCreated".to_owned();
    let event = log::Event { id: Uuid::nil(), kind, schema: 1, data: data.into() };
    let mut order = None;
    OrderAggregate::evolve(&mut order, &OrderAggregate::decode(&event).unwrap());
    order
}

/// The command for all of these, each of them named.
fn command(kind: &str, items: usize) -> Command {
    let parcel = |number| json!({ "sku": sku(number), "quantity": 1 });
    let parcels: Vec<Value> = (0..items).rev().map(parcel).collect();
    let fields = json!({ "type": kind, "order_id": order_id(), "items": parcels });
    let context = CommandContext { now: Timestamp::default(), new_id: Uuid::nil() };
    OrderAggregate::parse(fields, &context).unwrap().command
}

/// An attempt to ship and deliver so many items; it tells how long it took to decide on both commands and to
/// fold what they lead to.
fn attempts(items: usize) -> impl FnMut() -> Duration {
    let placed = order(items);
    let commands = ["ShipProducts", "DeliverProducts"].map(|kind| command(kind, items));
    move || {
        let mut order = placed.clone();
        let started = Instant::now();
        for command in &commands {
            for event in OrderAggregate::decide(&order, command).unwrap() {
                OrderAggregate::evolve(&mut order, &event);
            }
        }
        let took = started.elapsed();
        assert_eq!(order.map(|order| order.status), Some(Status::Delivered));
        took
    }
}

#[test]
fn ten_times_as_many_items_are_shipped_and_delivered_in_some_ten_times_the_time() {
    let (mut few, mut many) = (attempts(FEW), attempts(TIMES * FEW));
    // In turns, so that both meet a machine that is busy.
    let taken: Vec<_> = (0..ATTEMPTS).map(|_| (few(), many())).collect();
    let few = taken.iter().map(|(few, _)| *few).min().unwrap();
    let many = taken.iter().map(|(_, many)| *many).min().unwrap();
    assert!(many < MOST * few, "{few:?} for {FEW} items, and {many:?} for {TIMES} times as many");
}
