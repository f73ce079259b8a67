//! Each rule by its name: given what happened, when a command comes, then what.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use kernel::Timestamp;
use kernel::aggregate::{Aggregate as _, CommandContext};
use orders::{Order, OrderAggregate, Status};
use serde_json::{Value, json};
use uuid::Uuid;

/// What accepted commands led to.
#[derive(Default)]
struct Given(Option<Order>);

/// The names of the events, or of the rule that refused.
type Then = Result<Vec<String>, &'static str>;

impl Given {
    fn when(&mut self, kind: &str, mut with: Value) -> Then {
        with["type"] = json!(kind);
        with["order_id"] = json!(Uuid::from_u128(7));
        let context = CommandContext { now: Timestamp::default(), new_id: Uuid::nil() };
        let command = OrderAggregate::parse(with, &context).expect("a valid command").command;
        let events = OrderAggregate::decide(&self.0, &command).map_err(|refusal| refusal.rule)?;
        events.iter().for_each(|event| OrderAggregate::evolve(&mut self.0, event));
        Ok(events.iter().map(|event| OrderAggregate::encode(event).unwrap().0).collect())
    }

    fn and(mut self, kind: &str, with: Value) -> Self {
        self.when(kind, with).expect("accepted");
        self
    }

    fn status(&self) -> Status {
        self.0.as_ref().expect("an order").status
    }
}

fn item(sku: &str, quantity: i64, unit_price: i64) -> Value {
    json!({ "sku": sku, "name": "n", "quantity": quantity, "unit_price": unit_price })
}

fn order(items: &[Value]) -> Given {
    Given::default()
        .and("CreateOrder", json!({ "customer_id": "c", "currency": "EUR", "items": items }))
}

/// Two of A for 10, one of B for 5: 25.
fn created() -> Given {
    order(&[item("A", 2, 10), item("B", 1, 5)])
}

fn paid() -> Given {
    created().and("ProcessPayment", json!({ "amount": 25 }))
}

fn shipped() -> Given {
    paid().and("ShipProducts", json!({}))
}

fn parcel(sku: &str, quantity: i64) -> Value {
    json!({ "items": [{ "sku": sku, "quantity": quantity }] })
}

#[test]
fn an_order_goes_its_way() {
    let mut order = created();
    let mut step = |kind: &str, with: Value, event: &str, status: Status| {
        assert_eq!(order.when(kind, with), Ok(vec![event.to_owned()]));
        assert_eq!(order.status(), status, "after {kind}");
    };
    step("AddItem", item("C", 1, 1), "ItemAdded", Status::Created);
    step("RemoveItem", json!({ "sku": "C" }), "ItemRemoved", Status::Created);
    step("ProcessPayment", json!({ "amount": 10 }), "PaymentProcessed", Status::PartiallyPaid);
    step("ProcessPayment", json!({ "amount": 15 }), "PaymentProcessed", Status::Paid);
    step("ShipProducts", parcel("A", 1), "ProductShipped", Status::PartiallyShipped);
    step("ShipProducts", json!({}), "ProductShipped", Status::Shipped);
    step("DeliverProducts", parcel("B", 1), "ProductDelivered", Status::Shipped);
    step("DeliverProducts", json!({}), "ProductDelivered", Status::Delivered);
    step("RefundPayment", json!({ "amount": 5 }), "PaymentRefunded", Status::Delivered);
    step("RefundPayment", json!({ "amount": 20 }), "PaymentRefunded", Status::Refunded);
}

#[test]
fn a_total_of_nothing_is_paid_at_once() {
    let mut order = order(&[item("A", 1, 0)]);
    assert_eq!(order.status(), Status::Paid);
    assert_eq!(order.when("ShipProducts", json!({})), Ok(vec!["ProductShipped".to_owned()]));
    assert_eq!(order.when("AddItem", item("B", 1, 1)), Err("something-shipped"));
}

#[test]
fn a_cancelled_order_can_be_refunded_and_nothing_else() {
    let mut order = paid().and("CancelOrder", json!({}));
    for (kind, with) in [
        ("AddItem", item("C", 1, 1)),
        ("RemoveItem", json!({ "sku": "A" })),
        ("ProcessPayment", json!({ "amount": 1 })),
        ("ShipProducts", json!({})),
        ("DeliverProducts", json!({})),
        ("CancelOrder", json!({})),
    ] {
        assert_eq!(order.when(kind, with), Err("cancelled"), "{kind}");
    }
    assert!(order.when("RefundPayment", json!({ "amount": 25 })).is_ok());
    assert_eq!(order.status(), Status::Cancelled);
}

#[test]
fn every_rule_refuses_by_its_name() {
    let max = orders::values::MAX;
    let units = orders::order::bounds::MAX_UNITS;
    let all = |given: Given, kind: &str, with: Value, rule: &'static str| {
        let mut given = given;
        let before = given.0.clone();
        assert_eq!(given.when(kind, with), Err(rule), "{kind}");
        assert_eq!(given.0, before);
    };
    let nobody = Given::default;
    all(
        created(),
        "CreateOrder",
        json!({ "customer_id": "c", "currency": "EUR", "items": [item("A", 1, 1)] }),
        "order-exists",
    );
    all(
        nobody(),
        "CreateOrder",
        json!({ "customer_id": "c", "currency": "EUR", "items": [item("A", max, 2)] }),
        "out-of-range",
    );
    all(nobody(), "CancelOrder", json!({}), "unknown-order");
    all(created(), "AddItem", item("A", 1, 1), "item-exists");
    all(created(), "AddItem", item("C", 1, max), "out-of-range");
    all(created(), "AddItem", item("C", max, 0), "out-of-range");
    all(created(), "AddItem", item("C", units - 2, 0), "out-of-range");
    all(paid(), "AddItem", item("C", 1, 1), "something-paid");
    all(created(), "RemoveItem", json!({ "sku": "C" }), "unknown-item");
    all(order(&[item("A", 1, 1)]), "RemoveItem", json!({ "sku": "A" }), "last-item");
    all(paid(), "RemoveItem", json!({ "sku": "A" }), "something-paid");
    all(created(), "ProcessPayment", json!({ "amount": 26 }), "overpayment");
    all(created(), "RefundPayment", json!({ "amount": 1 }), "over-refund");
    all(
        paid().and("RefundPayment", json!({ "amount": 20 })),
        "RefundPayment",
        json!({ "amount": 6 }),
        "over-refund",
    );
    all(
        created().and("ProcessPayment", json!({ "amount": 24 })),
        "ShipProducts",
        json!({}),
        "not-paid-in-full",
    );
    all(
        paid().and("RefundPayment", json!({ "amount": 25 })),
        "ShipProducts",
        json!({}),
        "refunded",
    );
    all(paid(), "ShipProducts", parcel("A", 3), "over-shipment");
    all(paid(), "ShipProducts", parcel("C", 1), "unknown-item");
    all(shipped(), "ShipProducts", json!({}), "nothing-to-ship");
    all(paid(), "DeliverProducts", json!({}), "nothing-to-deliver");
    all(shipped(), "DeliverProducts", parcel("A", 3), "over-delivery");
    all(shipped(), "CancelOrder", json!({}), "something-shipped");
}
