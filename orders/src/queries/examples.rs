//! One order, as the descriptions of the services show it.

use serde_json::{Value, json};

pub const ORDER_ID: &str = "809266d8-6c0c-4b69-812e-c155352a1fea";

pub fn order() -> Value {
    json!({
        "order_id": ORDER_ID,
        "customer_id": "C-00042",
        "currency": "EUR",
        "status": "paid",
        "version": 2,
        "items": [{
            "sku": "P-0001", "name": "Lamp", "quantity": 2, "unit_price": 1250, "shipped": 0,
            "delivered": 0,
        }],
        "total": 2500,
        "paid": 2500,
        "refunded": 0,
        "placed_at": "2026-01-31T12:00:00.000Z",
        "updated_at": "2026-01-31T12:00:03.250Z",
    })
}
