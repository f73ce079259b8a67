//! The commands and the events of an order in words: what is asked for, and what has happened.

use serde_json::{Value, json};

use super::given::{Named, order_id};

pub const LAMP: &str = "lamp";
pub const CHAIR: &str = "chair";
pub const TABLE: &str = "table";

/// So many units of a product, at a price for each.
pub fn item(product: &str, quantity: i64, unit_price: i64) -> Value {
    json!({ "sku": product, "name": product, "quantity": quantity, "unit_price": unit_price })
}

fn parcels<const N: usize>(parcels: [(&str, i64); N]) -> Value {
    let parcel = |(product, quantity)| json!({ "sku": product, "quantity": quantity });
    json!({ "items": parcels.map(parcel).to_vec() })
}

// What is asked for.

pub fn create_order<const N: usize>(items: [Value; N]) -> Named {
    let items = items.to_vec();
    ("CreateOrder", json!({ "customer_id": "c", "currency": "EUR", "items": items }))
}

pub fn add_item(item: Value) -> Named {
    ("AddItem", item)
}

pub fn remove_item(product: &str) -> Named {
    ("RemoveItem", json!({ "sku": product }))
}

pub fn process_payment(amount: i64) -> Named {
    ("ProcessPayment", json!({ "amount": amount }))
}

pub fn refund_payment(amount: i64) -> Named {
    ("RefundPayment", json!({ "amount": amount }))
}

pub fn ship<const N: usize>(products: [(&str, i64); N]) -> Named {
    ("ShipProducts", parcels(products))
}

pub fn ship_the_rest() -> Named {
    ("ShipProducts", json!({}))
}

pub fn deliver<const N: usize>(products: [(&str, i64); N]) -> Named {
    ("DeliverProducts", parcels(products))
}

pub fn deliver_the_rest() -> Named {
    ("DeliverProducts", json!({}))
}

pub fn cancel_order() -> Named {
    ("CancelOrder", json!({}))
}

// What has happened.

pub fn order_created<const N: usize>(items: [Value; N]) -> Named {
    let order = json!({
        "order_id": order_id(), "customer_id": "c", "currency": "EUR", "items": items.to_vec(),
        "placed_at": "1970-01-01T00:00:00.000Z",
    });
    ("OrderCreated", order)
}

pub fn item_added(item: Value) -> Named {
    ("ItemAdded", item)
}

pub fn item_removed(product: &str) -> Named {
    ("ItemRemoved", json!({ "sku": product }))
}

pub fn payment_processed(amount: i64) -> Named {
    ("PaymentProcessed", json!({ "amount": amount }))
}

pub fn payment_refunded(amount: i64) -> Named {
    ("PaymentRefunded", json!({ "amount": amount }))
}

pub fn shipped<const N: usize>(products: [(&str, i64); N]) -> Named {
    ("ProductShipped", parcels(products))
}

pub fn delivered<const N: usize>(products: [(&str, i64); N]) -> Named {
    ("ProductDelivered", parcels(products))
}

pub fn order_cancelled() -> Named {
    ("OrderCancelled", json!({}))
}
