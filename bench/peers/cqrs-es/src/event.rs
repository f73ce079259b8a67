//! Events of orders as cqrs-es stores them: the domain's own, written as JSON with the name of the event.

use cqrs_es::DomainEvent;
use orders::order;
use orders::order::event::{
    ItemRemoved, OrderCancelled, OrderCreated, OrderedItem, PaymentProcessed, PaymentRefunded,
    ProductDelivered, ProductShipped,
};
use serde::{Deserialize, Serialize};

/// An event of the domain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Event(#[serde(with = "Stored")] pub order::Event);

/// How the domain's event is stored: `{"PaymentProcessed": {…}}`.
#[derive(Serialize, Deserialize)]
#[serde(remote = "order::Event")]
enum Stored {
    OrderCreated(OrderCreated),
    ItemAdded(OrderedItem),
    ItemRemoved(ItemRemoved),
    PaymentProcessed(PaymentProcessed),
    PaymentRefunded(PaymentRefunded),
    ProductShipped(ProductShipped),
    ProductDelivered(ProductDelivered),
    OrderCancelled(OrderCancelled),
}

impl DomainEvent for Event {
    fn event_type(&self) -> String {
        let name = match &self.0 {
            order::Event::OrderCreated(_) => "OrderCreated",
            order::Event::ItemAdded(_) => "ItemAdded",
            order::Event::ItemRemoved(_) => "ItemRemoved",
            order::Event::PaymentProcessed(_) => "PaymentProcessed",
            order::Event::PaymentRefunded(_) => "PaymentRefunded",
            order::Event::ProductShipped(_) => "ProductShipped",
            order::Event::ProductDelivered(_) => "ProductDelivered",
            order::Event::OrderCancelled(_) => "OrderCancelled",
        };
        name.to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}
