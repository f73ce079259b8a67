//! What the rules of business say of the log, and of refusals.

use std::collections::BTreeMap;

use kernel::Timestamp;
use kernel::aggregate::{Aggregate as _, CommandContext};
use kernel::log::StreamName;
use orders::{Command, Event, Order, OrderAggregate};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Known, Logged, Told};

/// Every event is what a command leads to in the state before it.
pub fn events_are_legal<'a>(
    log: impl IntoIterator<Item = &'a Logged>,
    violations: &mut Vec<String>,
) {
    let mut states: BTreeMap<&str, Option<Order>> = BTreeMap::new();
    for logged in log {
        let state = states.entry(&logged.stream).or_default();
        if let Err(why) = go_on(state, logged) {
            let Logged { stream, version, event, .. } = logged;
            violations
                .push(format!("{stream}: version {version}, {}, is illegal: {why}", event.kind));
        }
    }
}

/// Moves the state on, as views do, whether or not the rules would have let it.
fn go_on(state: &mut Option<Order>, logged: &Logged) -> Result<(), String> {
    let event = OrderAggregate::decode(&logged.event).map_err(|invalid| invalid.detail)?;
    let legal = is_legal(state, &event, &logged.stream);
    OrderAggregate::evolve(state, &event);
    legal
}

fn is_legal(state: &Option<Order>, event: &Event, stream: &str) -> Result<(), String> {
    let command = command_of(event, stream)?;
    match OrderAggregate::decide(state, &command) {
        Ok(events) if events.as_slice() == std::slice::from_ref(event) => Ok(()),
        Ok(events) => Err(format!("its command leads to {events:?}")),
        Err(refusal) => Err(refusal.rule.to_owned()),
    }
}

/// An event's data are the fields of its command, defaults filled in.
fn command_of(event: &Event, stream: &str) -> Result<Command, String> {
    let (_, _, data) = OrderAggregate::encode(event).map_err(|invalid| invalid.detail)?;
    let mut body: Value = data.read()?;
    body["type"] = json!(match event {
        Event::OrderCreated(_) => "CreateOrder",
        Event::ItemAdded(_) => "AddItem",
        Event::ItemRemoved(_) => "RemoveItem",
        Event::PaymentProcessed(_) => "ProcessPayment",
        Event::PaymentRefunded(_) => "RefundPayment",
        Event::ProductShipped(_) => "ShipProducts",
        Event::ProductDelivered(_) => "DeliverProducts",
        Event::OrderCancelled(_) => "CancelOrder",
    });
    body["order_id"] = json!(StreamName::stored(stream).id());
    parse(body)
}

fn parse(body: Value) -> Result<Command, String> {
    let context = CommandContext { now: Timestamp::default(), new_id: Uuid::nil() };
    let envelope = OrderAggregate::parse(body, &context).map_err(|invalid| invalid.detail)?;
    Ok(envelope.command)
}

/// A refusal is what the rules say of a state that the order was in when its client asked, or came
/// to later. One without a rule is not true: clients send commands that can be read.
pub fn refusals_are_true(log: &[Logged], known: &Known, violations: &mut Vec<String>) {
    for (id, told) in &known.told {
        let Told::Refused { command, after, why } = told else { continue };
        if !is_true(log, command, *after, why) {
            violations.push(format!(
                "{id} was refused: {why}, which is true of no state from version {after} on"
            ));
        }
    }
}

fn is_true(log: &[Logged], command: &Value, after: i64, why: &str) -> bool {
    let order = command["order_id"].as_str().unwrap_or_default();
    let Ok(command) = parse(command.clone()) else { return false };
    let refuses = |state: &Option<Order>| {
        OrderAggregate::decide(state, &command).is_err_and(|refusal| refusal.rule == why)
    };
    let known = usize::try_from(after).unwrap_or(0);
    states(log, order).iter().skip(known).any(refuses)
}

/// The states of an order by version: the first is that before its first event.
fn states(log: &[Logged], order: &str) -> Vec<Option<Order>> {
    let mut states = vec![None];
    for logged in log.iter().filter(|logged| logged.stream.ends_with(order)) {
        let mut state = states.last().cloned().flatten();
        if let Ok(event) = OrderAggregate::decode(&logged.event) {
            OrderAggregate::evolve(&mut state, &event);
        }
        states.push(state);
    }
    states
}
