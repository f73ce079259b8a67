//! What clients may ask for, and how it is read from JSON.

use std::collections::BTreeSet;

use kernel::Timestamp;
use kernel::aggregate::{Aggregate as _, CommandContext, Envelope, Invalid};
use kernel::log::StreamName;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::OrderAggregate;
use super::event::{OrderCreated, OrderedItem, Parcel};
use crate::values::{Amount, Currency, CustomerId, Note, Sku};

/// A command to one order, its fields valid.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Id and time are filled in: the event is what the command says.
    CreateOrder(OrderCreated),
    /// Order a product that is not in the order yet, while nothing is paid or shipped.
    AddItem(OrderedItem),
    /// Take a product off the order, while nothing is paid or shipped.
    RemoveItem(RemoveItem),
    /// Take a payment of at most what is owed.
    ProcessPayment(ProcessPayment),
    /// Give back a part of what was paid.
    RefundPayment(RefundPayment),
    /// Send products, once all is paid.
    ShipProducts(ShipProducts),
    /// Note that products arrived.
    DeliverProducts(DeliverProducts),
    /// End the order before anything is shipped.
    CancelOrder(CancelOrder),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateOrder {
    customer_id: CustomerId,
    currency: Currency,
    items: Vec<OrderedItem>,
    placed_at: Option<Timestamp>,
}

/// Fields of the command.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveItem {
    /// Which product.
    pub sku: Sku,
}

/// Fields of the command.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessPayment {
    /// What is paid.
    pub amount: Amount,
    /// The payment's reference at the payment provider.
    pub reference: Option<Note>,
}

/// Fields of the command.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefundPayment {
    /// What is given back.
    pub amount: Amount,
    /// Why, in words.
    pub reason: Option<Note>,
}

/// Fields of the command.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShipProducts {
    /// All that remains, where it is left out.
    pub items: Option<Vec<Parcel>>,
    /// Who carries it.
    pub carrier: Option<Note>,
    /// The carrier's number of the shipment.
    pub tracking: Option<Note>,
}

/// Fields of the command.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliverProducts {
    /// All that was shipped and not delivered, where it is left out.
    pub items: Option<Vec<Parcel>>,
}

/// Fields of the command.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelOrder {
    /// Why, in words.
    pub reason: Option<Note>,
}

const TYPES: &str = "CreateOrder, AddItem, RemoveItem, ProcessPayment, RefundPayment, \
                     ShipProducts, DeliverProducts or CancelOrder";

/// Reads `{"type": …, "order_id": …, …}`.
pub fn parse(body: Value, context: &CommandContext) -> Result<Envelope<Command>, Invalid> {
    let Value::Object(mut fields) = body else {
        return Err(Invalid::new("A command is a JSON object."));
    };
    let kind = fields.remove("type");
    let order_id = order_id(fields.remove("order_id"))?;
    let Some(Value::String(kind)) = kind else {
        return Err(Invalid::new(format!("`type`: expected {TYPES}")));
    };
    if kind == "CreateOrder" {
        let order_id = order_id.unwrap_or(context.new_id);
        let command = create(read(fields)?, order_id, context.now)?;
        return Ok(envelope(order_id, command, true));
    }
    let command = match kind.as_str() {
        "AddItem" => Command::AddItem(read(fields)?),
        "RemoveItem" => Command::RemoveItem(read(fields)?),
        "ProcessPayment" => Command::ProcessPayment(read(fields)?),
        "RefundPayment" => Command::RefundPayment(read(fields)?),
        "ShipProducts" => {
            Command::ShipProducts(distinct(read(fields)?, |it: &ShipProducts| &it.items)?)
        }
        "DeliverProducts" => {
            Command::DeliverProducts(distinct(read(fields)?, |it: &DeliverProducts| &it.items)?)
        }
        "CancelOrder" => Command::CancelOrder(read(fields)?),
        _ => return Err(Invalid::new(format!("`type`: expected {TYPES}, got {kind:?}"))),
    };
    match order_id {
        Some(order_id) => Ok(envelope(order_id, command, false)),
        None => Err(Invalid::new("`order_id`: expected the UUID of an order; it is missing")),
    }
}

fn envelope(order_id: Uuid, command: Command, fresh: bool) -> Envelope<Command> {
    Envelope { stream: StreamName::new(OrderAggregate::CATEGORY, order_id), command, fresh }
}

fn order_id(field: Option<Value>) -> Result<Option<Uuid>, Invalid> {
    let bad = |got: &str| Invalid::new(format!("`order_id`: expected a UUID, got {got}"));
    match field {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => match text.parse() {
            Ok(id) => Ok(Some(id)),
            Err(_) => Err(bad(&format!("{text:?}"))),
        },
        Some(other) => Err(bad(&other.to_string())),
    }
}

/// Reads the fields; an error names the field it is about.
fn read<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T, Invalid> {
    serde_path_to_error::deserialize(Value::Object(fields)).map_err(|error| {
        let path = error.path().to_string();
        match path.as_str() {
            "." => Invalid::new(error.inner().to_string()),
            _ => Invalid::new(format!("`{path}`: {}", error.inner())),
        }
    })
}

fn create(fields: CreateOrder, order_id: Uuid, now: Timestamp) -> Result<Command, Invalid> {
    let CreateOrder { customer_id, currency, items, placed_at } = fields;
    if items.is_empty() {
        return Err(Invalid::new("`items`: expected at least one item"));
    }
    once_each(items.iter().map(|item| &item.sku))?;
    let placed_at = placed_at.unwrap_or(now);
    Ok(Command::CreateOrder(OrderCreated { order_id, customer_id, currency, items, placed_at }))
}

fn distinct<T>(command: T, items: impl Fn(&T) -> &Option<Vec<Parcel>>) -> Result<T, Invalid> {
    if let Some(items) = items(&command) {
        if items.is_empty() {
            return Err(Invalid::new("`items`: expected at least one; leave it out to mean all"));
        }
        once_each(items.iter().map(|item| &item.sku))?;
    }
    Ok(command)
}

fn once_each<'a>(skus: impl Iterator<Item = &'a Sku>) -> Result<(), Invalid> {
    let mut seen = BTreeSet::new();
    for sku in skus {
        if !seen.insert(sku) {
            return Err(Invalid::new(format!("`items`: expected each sku once, got {sku} twice")));
        }
    }
    Ok(())
}
