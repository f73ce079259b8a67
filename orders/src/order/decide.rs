//! The rules: which command may happen in which state, and what then has happened.

use std::collections::{BTreeMap, HashMap};

use kernel::aggregate::{FieldError, Refusal, RefusalKind};

use super::bounds::{Exceeded, Line, Size};
use super::command::{CancelOrder, DeliverProducts, ProcessPayment, RefundPayment, ShipProducts};
use super::event::{
    Event, ItemRemoved, OrderCancelled, OrderCreated, OrderedItem, Parcel, PaymentProcessed,
    PaymentRefunded, ProductDelivered, ProductShipped,
};
use super::{Command, Item, Order, Status};
use crate::values::{Quantity, Sku};

type Decision = Result<Vec<Event>, Refusal>;

fn refusal(kind: RefusalKind, rule: &'static str, detail: String) -> Refusal {
    Refusal { kind, rule, detail, facts: BTreeMap::new(), errors: vec![] }
}

fn illegal(rule: &'static str, detail: impl Into<String>) -> Refusal {
    refusal(RefusalKind::Illegal, rule, detail.into())
}

trait WithFact: Sized {
    fn with(self, name: &'static str, value: i64) -> Self;
}

impl WithFact for Refusal {
    fn with(mut self, name: &'static str, value: i64) -> Self {
        self.facts.insert(name, value.into());
        self
    }
}

/// What the command leads to in this state.
pub fn decide(order: Option<&Order>, command: &Command) -> Decision {
    if let Command::CreateOrder(created) = command {
        return create(order, created);
    }
    let order = order.ok_or_else(|| {
        refusal(RefusalKind::Unknown, "unknown-order", "There is no order by this id.".to_owned())
    })?;
    let event = match command {
        Command::CreateOrder(created) => return create(Some(order), created),
        Command::AddItem(item) => add_item(order, item)?,
        Command::RemoveItem(command) => remove_item(order, &command.sku)?,
        Command::ProcessPayment(command) => process_payment(order, command)?,
        Command::RefundPayment(command) => refund_payment(order, command)?,
        Command::ShipProducts(command) => ship_products(order, command)?,
        Command::DeliverProducts(command) => deliver_products(order, command)?,
        Command::CancelOrder(command) => cancel(order, command)?,
    };
    Ok(vec![event])
}

fn create(order: Option<&Order>, created: &OrderCreated) -> Decision {
    if order.is_some() {
        let detail = format!("Order {} was created before.", created.order_id);
        return Err(refusal(RefusalKind::Exists, "order-exists", detail));
    }
    in_range("/items", Size::of(created.items.iter().map(Line::from)))?;
    Ok(vec![Event::OrderCreated(created.clone())])
}

/// `pointer` is where the command says what makes the order so large.
fn in_range(pointer: &str, size: Size) -> Result<(), Refusal> {
    let exceeded = size.exceeded();
    let Some(first) = exceeded.first() else { return Ok(()) };
    let detail = format!("An order may have up to {}.", first.bound);
    let error = |Exceeded { bound, found }| FieldError {
        pointer: pointer.to_owned(),
        expected: format!("an order of up to {bound}"),
        found,
    };
    let refusal = refusal(RefusalKind::OutOfRange, "out-of-range", detail);
    Err(Refusal { errors: exceeded.into_iter().map(error).collect(), ..refusal })
}

fn not_cancelled(order: &Order) -> Result<(), Refusal> {
    if order.is_cancelled() {
        return Err(illegal("cancelled", "The order is cancelled."));
    }
    Ok(())
}

/// Items change only while nothing is paid (and nothing shipped, where nothing is to be paid).
fn items_are_open(order: &Order) -> Result<(), Refusal> {
    not_cancelled(order)?;
    if order.paid > 0 {
        let detail = "Items can't be changed once something is paid.";
        return Err(illegal("something-paid", detail).with("paid", order.paid));
    }
    if order.anything_shipped() {
        return Err(illegal(
            "something-shipped",
            "Items can't be changed once something is shipped.",
        ));
    }
    Ok(())
}

fn add_item(order: &Order, item: &OrderedItem) -> Result<Event, Refusal> {
    items_are_open(order)?;
    if order.items.iter().any(|there| there.sku == item.sku) {
        let detail = format!("The order has {} already; remove it first.", item.sku);
        return Err(illegal("item-exists", detail));
    }
    in_range("", Size::of(order.items.iter().map(Line::from).chain([item.into()])))?;
    Ok(Event::ItemAdded(item.clone()))
}

fn remove_item(order: &Order, sku: &Sku) -> Result<Event, Refusal> {
    items_are_open(order)?;
    if !order.items.iter().any(|item| item.sku == *sku) {
        return Err(illegal("unknown-item", format!("The order has no {sku}.")));
    }
    if order.items.len() == 1 {
        return Err(illegal("last-item", "An order has at least one item; cancel it instead."));
    }
    Ok(Event::ItemRemoved(ItemRemoved { sku: sku.clone() }))
}

fn process_payment(order: &Order, command: &ProcessPayment) -> Result<Event, Refusal> {
    not_cancelled(order)?;
    if command.amount.get() > order.owed() {
        let detail = format!("{} is owed, not {}.", order.owed(), command.amount.get());
        return Err(illegal("overpayment", detail).with("owed", order.owed()));
    }
    let ProcessPayment { amount, reference } = command.clone();
    Ok(Event::PaymentProcessed(PaymentProcessed { amount, reference }))
}

fn refund_payment(order: &Order, command: &RefundPayment) -> Result<Event, Refusal> {
    if command.amount.get() > order.net() {
        let detail =
            format!("{} is left of what was paid, not {}.", order.net(), command.amount.get());
        return Err(illegal("over-refund", detail).with("refundable", order.net()));
    }
    let RefundPayment { amount, reason } = command.clone();
    Ok(Event::PaymentRefunded(PaymentRefunded { amount, reason }))
}

fn ship_products(order: &Order, command: &ShipProducts) -> Result<Event, Refusal> {
    not_cancelled(order)?;
    if order.owed() > 0 {
        let detail =
            format!("An order is shipped once it is paid in full; {} is owed.", order.owed());
        return Err(illegal("not-paid-in-full", detail).with("owed", order.owed()));
    }
    if order.status == Status::Refunded {
        return Err(illegal(
            "refunded",
            "All that was paid is refunded; nothing is shipped for it.",
        ));
    }
    let left = |item: &Item| item.quantity.get() - item.shipped;
    let items =
        parcels(order, command.items.as_deref(), left, ("nothing-to-ship", "over-shipment"))?;
    let ShipProducts { carrier, tracking, .. } = command.clone();
    Ok(Event::ProductShipped(ProductShipped { items, carrier, tracking }))
}

fn deliver_products(order: &Order, command: &DeliverProducts) -> Result<Event, Refusal> {
    not_cancelled(order)?;
    let left = |item: &Item| item.shipped - item.delivered;
    let rules = ("nothing-to-deliver", "over-delivery");
    let items = parcels(order, command.items.as_deref(), left, rules)?;
    Ok(Event::ProductDelivered(ProductDelivered { items }))
}

/// What was asked for, if so much is left of each; or all that is left.
fn parcels(
    order: &Order,
    asked: Option<&[Parcel]>,
    left: impl Fn(&Item) -> i64,
    (nothing, too_much): (&'static str, &'static str),
) -> Result<Vec<Parcel>, Refusal> {
    let Some(asked) = asked else {
        let all = order.items.iter().filter_map(|item| {
            let quantity = Quantity::try_from(left(item)).ok()?;
            Some(Parcel { sku: item.sku.clone(), quantity })
        });
        let all: Vec<Parcel> = all.collect();
        return if all.is_empty() {
            Err(illegal(nothing, "Nothing is left to send on."))
        } else {
            Ok(all)
        };
    };
    let items: HashMap<&Sku, &Item> = order.items.iter().map(|item| (&item.sku, item)).collect();
    for parcel in asked {
        let item = items
            .get(&parcel.sku)
            .ok_or_else(|| illegal("unknown-item", format!("The order has no {}.", parcel.sku)))?;
        if parcel.quantity.get() > left(item) {
            let detail = format!(
                "{} of {} are left, not {}.",
                left(item),
                parcel.sku,
                parcel.quantity.get()
            );
            return Err(illegal(too_much, detail).with("left", left(item)));
        }
    }
    Ok(asked.to_vec())
}

fn cancel(order: &Order, command: &CancelOrder) -> Result<Event, Refusal> {
    not_cancelled(order)?;
    if order.anything_shipped() {
        return Err(illegal(
            "something-shipped",
            "An order can't be cancelled once something is shipped.",
        ));
    }
    Ok(Event::OrderCancelled(OrderCancelled { reason: command.reason.clone() }))
}
