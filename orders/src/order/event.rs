//! What happened to an order. The data of each event is what its command said, decided: defaults
//! are filled in.

pub(super) mod codec;

use kernel::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::values::{Amount, Currency, CustomerId, Name, Note, Price, Quantity, Sku};

#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    OrderCreated(OrderCreated),
    ItemAdded(OrderedItem),
    ItemRemoved(ItemRemoved),
    PaymentProcessed(PaymentProcessed),
    PaymentRefunded(PaymentRefunded),
    ProductShipped(ProductShipped),
    ProductDelivered(ProductDelivered),
    OrderCancelled(OrderCancelled),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderCreated {
    pub order_id: Uuid,
    pub customer_id: CustomerId,
    pub currency: Currency,
    pub items: Vec<OrderedItem>,
    pub placed_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderedItem {
    pub sku: Sku,
    pub name: Name,
    pub quantity: Quantity,
    pub unit_price: Price,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemRemoved {
    pub sku: Sku,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentProcessed {
    pub amount: Amount,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Note>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentRefunded {
    pub amount: Amount,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Note>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductShipped {
    pub items: Vec<Parcel>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<Note>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking: Option<Note>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductDelivered {
    pub items: Vec<Parcel>,
}

/// So many of a product, on their way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parcel {
    pub sku: Sku,
    pub quantity: Quantity,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderCancelled {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Note>,
}
