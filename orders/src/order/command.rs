//! What clients may ask for, and how it is read from JSON.

use std::collections::BTreeSet;

use kernel::Timestamp;
use kernel::aggregate::{
    Aggregate as _, CommandContext, Envelope, FieldError, Invalid, found, parse_id,
};
use kernel::log::StreamName;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::OrderAggregate;
use super::bounds::MAX_ITEMS;
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

impl Command {
    /// Its `type`.
    fn kind(&self) -> &'static str {
        match self {
            Self::CreateOrder(_) => "CreateOrder",
            Self::AddItem(_) => "AddItem",
            Self::RemoveItem(_) => "RemoveItem",
            Self::ProcessPayment(_) => "ProcessPayment",
            Self::RefundPayment(_) => "RefundPayment",
            Self::ShipProducts(_) => "ShipProducts",
            Self::DeliverProducts(_) => "DeliverProducts",
            Self::CancelOrder(_) => "CancelOrder",
        }
    }
}

/// Fields of the command.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateOrder {
    /// Who orders.
    customer_id: CustomerId,
    /// Of all amounts of the order: a code of ISO 4217.
    currency: Currency,
    /// What is ordered, each product once.
    #[schemars(length(min = 1, max = "MAX_ITEMS"))]
    items: Vec<OrderedItem>,
    /// When it was placed; without it, when the command arrives.
    placed_at: Option<Timestamp>,
}

/// Fields of the command.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveItem {
    /// Which product.
    pub sku: Sku,
}

/// Fields of the command.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProcessPayment {
    /// What is paid.
    pub amount: Amount,
    /// The payment's reference at the payment provider.
    pub reference: Option<Note>,
}

/// Fields of the command.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RefundPayment {
    /// What is given back.
    pub amount: Amount,
    /// Why, in words.
    pub reason: Option<Note>,
}

/// Fields of the command.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShipProducts {
    /// All that remains, where it is left out.
    #[schemars(length(min = 1, max = "MAX_ITEMS"))]
    pub items: Option<Vec<Parcel>>,
    /// Who carries it.
    pub carrier: Option<Note>,
    /// The carrier's number of the shipment.
    pub tracking: Option<Note>,
}

/// Fields of the command.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliverProducts {
    /// All that was shipped and not delivered, where it is left out.
    #[schemars(length(min = 1, max = "MAX_ITEMS"))]
    pub items: Option<Vec<Parcel>>,
}

/// Fields of the command.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelOrder {
    /// Why, in words.
    pub reason: Option<Note>,
}

const TYPES: &str = "CreateOrder, AddItem, RemoveItem, ProcessPayment, RefundPayment, \
                     ShipProducts, DeliverProducts or CancelOrder";

/// Those that name products in `items`.
const WITH_ITEMS: [&str; 3] = ["CreateOrder", "ShipProducts", "DeliverProducts"];

/// Reads `{"type": …, "order_id": …, …}`.
pub fn parse(body: Value, context: &CommandContext) -> Result<Envelope<Command>, Invalid> {
    let Value::Object(mut fields) = body else {
        return Err(Invalid::at("", "a JSON object", found(&body)));
    };
    let kind = fields.remove("type");
    let order_id = order_id(fields.remove("order_id"))?;
    let Some(Value::String(kind)) = kind else {
        let found = kind.as_ref().map_or_else(|| "nothing".to_owned(), found);
        return Err(Invalid::at("/type", TYPES, found));
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
        _ => return Err(Invalid::at("/type", TYPES, found(&Value::from(kind)))),
    };
    match order_id {
        Some(order_id) => Ok(envelope(order_id, command, false)),
        None => Err(Invalid::at("/order_id", "the UUID of an order", "nothing")),
    }
}

fn envelope(order_id: Uuid, command: Command, fresh: bool) -> Envelope<Command> {
    let stream = StreamName::new(OrderAggregate::CATEGORY, order_id);
    Envelope { stream, kind: command.kind(), command, fresh }
}

fn order_id(field: Option<Value>) -> Result<Option<Uuid>, Invalid> {
    let Some(field) = field.filter(|field| !field.is_null()) else { return Ok(None) };
    let bad = || Invalid::at("/order_id", "a UUID", found(&field));
    field.as_str().and_then(parse_id).ok_or_else(bad).map(Some)
}

/// Reads the fields; an error names the first field that is wrong. (All of them are found with the
/// schema of the command.)
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
        return Err(Invalid::at("/items", "at least one item", "[]"));
    }
    once_each(items.iter().map(|item| &item.sku))?;
    let placed_at = placed_at.unwrap_or(now);
    Ok(Command::CreateOrder(OrderCreated { order_id, customer_id, currency, items, placed_at }))
}

fn distinct<T>(command: T, items: impl Fn(&T) -> &Option<Vec<Parcel>>) -> Result<T, Invalid> {
    if let Some(items) = items(&command) {
        if items.is_empty() {
            return Err(Invalid::at("/items", "at least one; leave it out to mean all", "[]"));
        }
        once_each(items.iter().map(|item| &item.sku))?;
    }
    Ok(command)
}

/// What no schema of a command can say: a product is named once. Items that are none are left out.
pub fn wrong_beyond_schema(body: &Value) -> Vec<FieldError> {
    let kind = body.get("type").and_then(Value::as_str);
    if !kind.is_some_and(|kind| WITH_ITEMS.contains(&kind)) {
        return vec![];
    }
    let items = body.get("items").and_then(Value::as_array);
    let skus = items.into_iter().flatten().map(|item| item.get("sku").and_then(Value::as_str));
    repeated(skus)
}

fn repeated<'a>(skus: impl Iterator<Item = Option<&'a str>>) -> Vec<FieldError> {
    let mut seen = BTreeSet::new();
    let mut errors = vec![];
    for (index, sku) in skus.enumerate() {
        if let Some(sku) = sku
            && !seen.insert(sku)
        {
            let pointer = format!("/items/{index}/sku");
            let expected = "each sku once".to_owned();
            errors.push(FieldError { pointer, expected, found: format!("{sku} twice") });
        }
    }
    errors
}

fn once_each<'a>(skus: impl Iterator<Item = &'a Sku>) -> Result<(), Invalid> {
    let errors = repeated(skus.map(|sku| Some(sku.as_str())));
    let Some(first) = errors.first() else { return Ok(()) };
    let detail = format!("`{}`: expected each sku once, got {}", first.pointer, first.found);
    Err(Invalid { detail, errors })
}
