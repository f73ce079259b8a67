//! What happened to an order. The data of each event is what its command said, decided: defaults
//! are filled in.

pub(super) mod codec;

use kernel::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::values::{Amount, Currency, CustomerId, Name, Note, Price, Quantity, Sku};

/// An event of an order, in its newest schema.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The order was placed.
    OrderCreated(OrderCreated),
    /// A product was added that the order did not have.
    ItemAdded(OrderedItem),
    /// A product was taken off the order.
    ItemRemoved(ItemRemoved),
    /// A payment arrived.
    PaymentProcessed(PaymentProcessed),
    /// A part of what was paid was given back.
    PaymentRefunded(PaymentRefunded),
    /// Products left for the customer.
    ProductShipped(ProductShipped),
    /// Products that were shipped reached the customer.
    ProductDelivered(ProductDelivered),
    /// The order ended before anything was shipped.
    OrderCancelled(OrderCancelled),
}

/// Data of the event, and of the command that leads to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderCreated {
    /// The order's id.
    pub order_id: Uuid,
    /// Who ordered.
    pub customer_id: CustomerId,
    /// Of all amounts of the order.
    pub currency: Currency,
    /// At least one, each product once.
    pub items: Vec<OrderedItem>,
    /// When it was placed, which may be before it was recorded.
    pub placed_at: Timestamp,
}

/// A product and how much of it is ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderedItem {
    /// Which product.
    pub sku: Sku,
    /// What the product is called.
    pub name: Name,
    /// Units ordered.
    pub quantity: Quantity,
    /// Of one unit.
    pub unit_price: Price,
}

/// Data of the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemRemoved {
    /// Which product is no longer ordered.
    pub sku: Sku,
}

/// Data of the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentProcessed {
    /// What was paid.
    pub amount: Amount,
    /// The payment's reference at the payment provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Note>,
}

/// Data of the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentRefunded {
    /// What was given back.
    pub amount: Amount,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Note>,
}

/// Data of the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductShipped {
    /// What was shipped, each product once.
    pub items: Vec<Parcel>,
    /// Who carries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<Note>,
    /// The carrier's number of the shipment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking: Option<Note>,
}

/// Data of the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductDelivered {
    /// What was delivered, each product once.
    pub items: Vec<Parcel>,
}

/// So many of a product, on their way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parcel {
    /// Which product.
    pub sku: Sku,
    /// Units of it.
    pub quantity: Quantity,
}

/// Data of the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderCancelled {
    /// Why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Note>,
}
