//! How large one order may become: as large as each bound, and no larger.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use kernel::Timestamp;
use kernel::aggregate::{Aggregate as _, CommandContext, Refusal, RefusalKind};
use orders::order::bounds::{MAX_ITEMS, MAX_TEXT, MAX_TOTAL, MAX_UNITS};
use orders::{Event, Order, OrderAggregate};
use serde_json::{Value, json};
use uuid::Uuid;

fn decide(order: &Option<Order>, mut command: Value) -> Result<Vec<Event>, Refusal> {
    command["order_id"] = json!(Uuid::from_u128(7));
    let context = CommandContext { now: Timestamp::default(), new_id: Uuid::nil() };
    let command = OrderAggregate::parse(command, &context).unwrap().command;
    OrderAggregate::decide(order, &command)
}

fn item(sku: &str, name: &str, quantity: i64, unit_price: i64) -> Value {
    json!({ "sku": sku, "name": name, "quantity": quantity, "unit_price": unit_price })
}

fn create(items: &[Value]) -> Value {
    json!({ "type": "CreateOrder", "customer_id": "c", "currency": "EUR", "items": items })
}

fn add(item: &Value) -> Value {
    let mut command = item.clone();
    command["type"] = json!("AddItem");
    command
}

/// All of `items` pass and `one` more does not, neither at once nor as an item that is added.
fn the_bound_is_between(items: &[Value], one: Value, tells: &str) {
    let mut order = None;
    for event in decide(&None, create(items)).unwrap() {
        OrderAggregate::evolve(&mut order, &event);
    }
    let all: Vec<Value> = items.iter().cloned().chain([one.clone()]).collect();
    for refused in [decide(&None, create(&all)), decide(&order, add(&one))] {
        let refusal = refused.unwrap_err();
        assert_eq!((refusal.kind, refusal.rule), (RefusalKind::OutOfRange, "out-of-range"));
        assert!(refusal.detail.contains(tells), "{} tells nothing of {tells}", refusal.detail);
        let [error] = &refusal.errors[..] else { panic!("{:?}", refusal.errors) };
        assert!(error.expected.contains(tells) && error.found.ends_with(" in all"), "{error:?}");
    }
    // One less, and it may be added.
    let mut order = None;
    let (last, fewer) = items.split_last().unwrap();
    for event in decide(&None, create(fewer)).unwrap() {
        OrderAggregate::evolve(&mut order, &event);
    }
    assert!(decide(&order, add(last)).is_ok());
}

#[test]
fn units_are_bounded() {
    let items = [item("A", "n", MAX_UNITS - 1, 1), item("B", "n", 1, 1)];
    the_bound_is_between(&items, item("C", "n", 1, 0), "1000000 units");
}

#[test]
fn the_total_is_bounded() {
    let items = [item("A", "n", 999_999, 1_000_000), item("B", "n", 1, 1_000_000)];
    assert_eq!(MAX_TOTAL, 1_000_000 * 1_000_000);
    let fewer = [item("A", "n", 1, MAX_TOTAL - 1), item("B", "n", 1, 1)];
    the_bound_is_between(&fewer, item("C", "n", 1, 1), "1000000000000 minor units");
    assert!(decide(&None, create(&items)).is_ok(), "as large as two bounds at once");
}

#[test]
fn every_bound_that_is_passed_is_told_where_the_command_passes_it() {
    let large = item("A", "n", MAX_UNITS + 1, MAX_TOTAL);
    let passed = |refused: Result<Vec<Event>, Refusal>| -> Vec<(String, String)> {
        let errors = refused.unwrap_err().errors;
        errors.into_iter().map(|error| (error.pointer, error.expected)).collect()
    };
    let expected = |pointer: &str| {
        [
            (pointer.to_owned(), format!("an order of up to {MAX_UNITS} units")),
            (pointer.to_owned(), format!("an order of up to {MAX_TOTAL} minor units as its total")),
        ]
    };
    assert_eq!(passed(decide(&None, create(std::slice::from_ref(&large)))), expected("/items"));
    let mut order = None;
    for event in decide(&None, create(&[item("B", "n", 1, 1)])).unwrap() {
        OrderAggregate::evolve(&mut order, &event);
    }
    assert_eq!(passed(decide(&order, add(&large))), expected(""));
}

#[test]
fn items_are_bounded() {
    let items: Vec<Value> = (0..MAX_ITEMS).map(|n| item(&n.to_string(), "n", 1, 1)).collect();
    the_bound_is_between(&items, item("one more", "n", 1, 1), "500 items");
}

#[test]
fn texts_are_bounded_in_bytes() {
    // 2 bytes for each character: 64 + 400 for an item, of which 105 fit, and 432 are left.
    let long = |n: usize| item(&format!("{n:064}"), &"ä".repeat(200), 1, 1);
    let mut items: Vec<Value> = (0..105).map(long).collect();
    items.push(item(&format!("{:064}", 105), &"ä".repeat((MAX_TEXT - 105 * 464 - 64) / 2), 1, 1));
    the_bound_is_between(&items, item("C", "n", 1, 1), "49152 bytes");
}
