//! The fold: the state after an event.

use std::collections::HashMap;

use super::event::{Event, OrderCreated, OrderedItem, Parcel};
use super::{Item, Order, Status, total};
use crate::values::Sku;

/// Total on every event that `decide` returned for this state; what can't apply changes nothing.
pub fn evolve(state: &mut Option<Order>, event: &Event) {
    match (state.as_mut(), event) {
        (None, Event::OrderCreated(created)) => *state = Some(place(created)),
        (Some(order), event) => {
            apply(order, event);
            order.total = total(order.items.iter().map(Item::line));
            order.status = status(order, matches!(event, Event::OrderCancelled(_)));
        }
        (None, _) => {}
    }
}

fn place(created: &OrderCreated) -> Order {
    let mut order = Order {
        order_id: created.order_id,
        customer_id: created.customer_id.clone(),
        currency: created.currency.clone(),
        status: Status::Created,
        version: 0,
        items: created.items.iter().map(item).collect(),
        total: 0,
        paid: 0,
        refunded: 0,
        placed_at: created.placed_at,
        updated_at: kernel::Timestamp::default(),
    };
    order.total = total(order.items.iter().map(Item::line));
    order.status = status(&order, false);
    order
}

fn item(ordered: &OrderedItem) -> Item {
    Item {
        sku: ordered.sku.clone(),
        name: ordered.name.clone(),
        quantity: ordered.quantity,
        unit_price: ordered.unit_price,
        shipped: 0,
        delivered: 0,
    }
}

fn apply(order: &mut Order, event: &Event) {
    match event {
        Event::OrderCreated(_) | Event::OrderCancelled(_) => {}
        Event::ItemAdded(added) => order.items.push(item(added)),
        Event::ItemRemoved(removed) => order.items.retain(|item| item.sku != removed.sku),
        Event::PaymentProcessed(payment) => order.paid += payment.amount.get(),
        Event::PaymentRefunded(refund) => order.refunded += refund.amount.get(),
        Event::ProductShipped(shipment) => {
            send(order, &shipment.items, |item, quantity| item.shipped += quantity);
        }
        Event::ProductDelivered(delivery) => {
            send(order, &delivery.items, |item, quantity| item.delivered += quantity);
        }
    }
}

fn send(order: &mut Order, parcels: &[Parcel], count: impl Fn(&mut Item, i64)) {
    let mut sent: HashMap<&Sku, i64> = HashMap::with_capacity(parcels.len());
    for parcel in parcels {
        let sum = sent.entry(&parcel.sku).or_default();
        *sum = sum.saturating_add(parcel.quantity.get());
    }
    for item in &mut order.items {
        if let Some(quantity) = sent.get(&item.sku) {
            count(item, *quantity);
        }
    }
}

fn status(order: &Order, cancelled_now: bool) -> Status {
    let all =
        |count: fn(&Item) -> i64| order.items.iter().all(|item| count(item) >= item.quantity.get());
    if cancelled_now || order.is_cancelled() {
        Status::Cancelled
    } else if order.paid > 0 && order.refunded >= order.paid {
        Status::Refunded
    } else if all(|item| item.delivered) {
        Status::Delivered
    } else if all(|item| item.shipped) {
        Status::Shipped
    } else if order.anything_shipped() {
        Status::PartiallyShipped
    } else if order.paid >= order.total {
        Status::Paid
    } else if order.paid > 0 {
        Status::PartiallyPaid
    } else {
        Status::Created
    }
}
