//! Whatever clients send in whatever order, an order stays consistent.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::LazyLock;

use kernel::Timestamp;
use kernel::aggregate::{Aggregate, CommandContext, Refusal};
use kernel::contract::WriteContract;
use kernel::log::{Meta, Recorded, StreamName};
use kernel::projection::{ErasedProjection as _, JsonProjection, Projection as _, Stored};
use orders::order::Command;
use orders::order::bounds::{MAX_ITEMS, MAX_TOTAL, MAX_UNITS};
use orders::values::MAX;
use orders::{Event, Order, OrderAggregate, OrderProjection, Status};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

/// What clients are told of the rules.
static DESCRIBED: LazyLock<WriteContract> = LazyLock::new(OrderAggregate::contract);

const ORDER: Uuid = Uuid::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef);

fn sku() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["A", "B", "C"]).prop_map(str::to_owned)
}

/// Mostly small, now and then at the end of what is allowed.
fn number(least: i64) -> impl Strategy<Value = i64> {
    let near = |bound: i64| (bound - 2)..=(bound + 2);
    prop_oneof![
        12 => least..20_i64,
        2 => near(MAX_UNITS / 2),
        1 => near(MAX_UNITS),
        1 => near(MAX_TOTAL / 2),
        1 => near(MAX_TOTAL),
        1 => (MAX - 2)..=MAX,
    ]
}

fn item() -> impl Strategy<Value = Value> {
    (sku(), number(1), number(0)).prop_map(|(sku, quantity, unit_price)| {
        json!({ "sku": sku, "name": format!("Product {sku}"), "quantity": quantity, "unit_price": unit_price })
    })
}

fn parcels() -> impl Strategy<Value = Option<Vec<Value>>> {
    let parcel =
        (sku(), number(1)).prop_map(|(sku, quantity)| json!({ "sku": sku, "quantity": quantity }));
    prop::option::of(prop::collection::vec(parcel, 1..3))
}

/// Any command, valid or not.
fn command() -> impl Strategy<Value = Value> {
    let with_items = |kind: &'static str| {
        parcels().prop_map(move |items| match items {
            Some(items) => json!({ "type": kind, "items": items }),
            None => json!({ "type": kind }),
        })
    };
    let amount = |kind: &'static str| {
        number(1).prop_map(move |amount| json!({ "type": kind, "amount": amount }))
    };
    let create = prop::collection::vec(item(), 1..4)
        .prop_map(|items| json!({ "type": "CreateOrder", "customer_id": "c", "currency": "EUR", "items": items }));
    prop_oneof![
        3 => create,
        2 => item().prop_map(|item| { let mut command = item; command["type"] = json!("AddItem"); command }),
        1 => sku().prop_map(|sku| json!({ "type": "RemoveItem", "sku": sku })),
        4 => amount("ProcessPayment"),
        // What is owed exactly, so that orders get on: 0 is replaced by it.
        4 => Just(json!({ "type": "ProcessPayment", "amount": 0 })),
        2 => amount("RefundPayment"),
        1 => Just(json!({ "type": "RefundPayment", "amount": 0 })),
        3 => with_items("ShipProducts"),
        3 => with_items("DeliverProducts"),
        1 => Just(json!({ "type": "CancelOrder", "reason": "why not" })),
    ]
}

fn fill(mut command: Value, order: Option<&Order>) -> Value {
    if command["amount"] == json!(0) {
        let all = match command["type"].as_str() {
            Some("ProcessPayment") => order.map(Order::owed),
            _ => order.map(Order::net),
        };
        command["amount"] = json!(all.unwrap_or(1));
    }
    command["order_id"] = json!(ORDER);
    command
}

fn parse(command: Value) -> Option<Command> {
    let context = CommandContext { now: Timestamp::from_millis(1_800_000_000_000), new_id: ORDER };
    OrderAggregate::parse(command, &context).ok().map(|envelope| envelope.command)
}

fn consistent(order: &Order) {
    let total: i64 =
        order.items.iter().map(|item| item.quantity.get() * item.unit_price.get()).sum();
    assert_eq!(order.total, total);
    assert!((0..=MAX_TOTAL).contains(&order.total), "{order:?}");
    assert!((0..=MAX_UNITS).contains(&order.units()), "{order:?}");
    assert!(order.items.len() <= MAX_ITEMS, "{order:?}");
    leaves_room(order);
    assert!((0..=order.total).contains(&order.paid), "paid more than the total: {order:?}");
    assert!((0..=order.paid).contains(&order.refunded), "refunded more than was paid: {order:?}");
    assert!(!order.items.is_empty(), "an order without items");
    for item in &order.items {
        assert!(
            (0..=item.quantity.get()).contains(&item.shipped),
            "shipped more than ordered: {order:?}"
        );
        assert!(
            (0..=item.shipped).contains(&item.delivered),
            "delivered more than shipped: {order:?}"
        );
    }
    let shipped = order.items.iter().any(|item| item.shipped > 0);
    assert!(!shipped || order.paid == order.total, "shipped before it was paid: {order:?}");
    assert!(!(shipped && order.status == Status::Cancelled), "shipped and cancelled: {order:?}");
}

/// No order takes the room of another one: millions that are as large fit into each sum.
fn leaves_room(order: &Order) {
    for (key, value) in OrderProjection::facts(order).sums() {
        assert!((0..=MAX_TOTAL).contains(&value), "{key:?} of {order:?}");
        assert!(value.checked_mul(9_000_000).is_some(), "{key:?} of {order:?}");
    }
}

/// Runs the commands; returns the state, and the events as they are recorded.
fn run(commands: Vec<Value>) -> (Option<Order>, Vec<Recorded>) {
    let (mut state, mut events): (Option<Order>, Vec<Recorded>) = (None, vec![]);
    for command in commands {
        let Some(command) = parse(fill(command, state.as_ref())) else { continue };
        let before = state.clone();
        match OrderAggregate::decide(&state, &command) {
            Ok(decided) => {
                assert!(!decided.is_empty(), "an accepted command has at least one event");
                for event in &decided {
                    OrderAggregate::evolve(&mut state, event);
                    events.push(record(event, events.len()));
                }
                assert_ne!(state, before, "every event changes the state: {command:?}");
            }
            Err(Refusal { rule, detail, facts, .. }) => {
                assert!(DESCRIBED.rules.iter().any(|it| it.name == rule), "{rule}");
                assert!(!detail.is_empty());
                for (name, value) in facts {
                    let described = DESCRIBED.facts.iter().find(|fact| fact.name == name);
                    let about = described.map_or("", |fact| fact.about);
                    assert!(about.contains(rule) && value.is_i64(), "{rule} {name}: {about}");
                }
            }
        }
        state.iter().for_each(consistent);
    }
    (state, events)
}

fn record(event: &Event, before: usize) -> Recorded {
    let (kind, schema, data) = OrderAggregate::encode(event).unwrap();
    Recorded {
        position: before as i64 + 1,
        index: 0,
        stream: StreamName::new("order", ORDER),
        version: before as i64 + 1,
        at: Timestamp::from_millis(1_800_000_000_000 + before as i64),
        meta: Meta::default(),
        event: kernel::log::Event { id: Uuid::from_u128(before as u128), kind, schema, data },
    }
}

fn fold<'a>(events: impl Iterator<Item = &'a kernel::log::Event>) -> Option<Order> {
    let mut state = None;
    events.for_each(|event| {
        OrderAggregate::evolve(&mut state, &OrderAggregate::decode(event).unwrap())
    });
    state
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_commands_reaches_an_inconsistent_state(commands in prop::collection::vec(command(), 1..25)) {
        run(commands);
    }

    #[test]
    fn events_read_back_through_json_fold_to_the_same_state(commands in prop::collection::vec(command(), 1..25)) {
        let (state, events) = run(commands);
        let json = events.iter().map(|event| serde_json::from_slice(&serde_json::to_vec(&event.event).unwrap()).unwrap());
        let json: Vec<kernel::log::Event> = json.collect();
        prop_assert_eq!(fold(json.iter()), state.clone());
        for (event, back) in events.iter().zip(&json) {
            prop_assert_eq!(&event.event.data, &back.data);
        }
    }

    /// However a stream is cut into batches, the view and the sum of all changes are the same.
    #[test]
    fn views_do_not_depend_on_batches(commands in prop::collection::vec(command(), 1..25), cuts in prop::collection::vec(1_usize..6, 1..25)) {
        let (state, events) = run(commands);
        let projection = JsonProjection(OrderProjection);
        let (mut stored, mut sums) = (None::<Stored>, std::collections::BTreeMap::new());
        let (mut rest, mut cuts) = (&events[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (batch, after) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            let change = projection.project(stored.as_ref(), batch).unwrap();
            for sum in &change.sums {
                *sums.entry(sum.key.clone()).or_insert(0) += sum.delta;
            }
            stored = Some(Stored { version: change.to, document: change.document });
            rest = after;
        }
        let Some(stored) = stored else { return Ok(()) };
        let whole = projection.project(None, &events).unwrap();
        prop_assert_eq!(&whole.document, &stored.document);
        sums.retain(|_, sum| *sum != 0);
        let expected: std::collections::BTreeMap<_, _> =
            whole.sums.iter().filter(|sum| sum.delta != 0).map(|sum| (sum.key.clone(), sum.delta)).collect();
        prop_assert_eq!(sums, expected);
        let view: Order = serde_json::from_slice(&stored.document).unwrap();
        prop_assert_eq!(view.version, events.len() as i64);
        prop_assert_eq!(Order { version: 0, updated_at: Timestamp::default(), ..view }, state.unwrap());
    }
}
