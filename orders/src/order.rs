//! The order: its state, and the aggregate that the write side is given.

pub mod bounds;
pub mod command;
pub(crate) mod contract;
mod decide;
pub mod event;
mod evolve;

use std::borrow::Cow;

use kernel::Timestamp;
use kernel::aggregate::{
    Action, Aggregate, CommandContext, Envelope, FieldError, Invalid, Refusal, Resource,
};
use kernel::contract::WriteContract;
use kernel::json::Json;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

pub use self::command::Command;
pub use self::event::Event;
use crate::values::{Currency, CustomerId, Name, Price, Quantity, Sku};

/// An order after its latest event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Order {
    /// The order's id, also that of its stream.
    pub order_id: Uuid,
    /// Who ordered.
    pub customer_id: CustomerId,
    /// Of all amounts of the order.
    pub currency: Currency,
    /// How far it has come.
    pub status: Status,
    /// Version of the latest event; views set it, and the write side leaves it 0.
    pub version: i64,
    /// What is ordered, each product once.
    pub items: Vec<Item>,
    /// Sum of quantity × unit price.
    pub total: i64,
    /// All payments, whatever was refunded later.
    pub paid: i64,
    /// All refunds, in minor units.
    pub refunded: i64,
    /// When it was placed, as the command said; else when the command came.
    pub placed_at: Timestamp,
    /// When the latest event was recorded; views set it, and the write side leaves the epoch.
    pub updated_at: Timestamp,
}

/// A product of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Item {
    /// Which product; unique within an order.
    pub sku: Sku,
    /// What the product was called when it was ordered.
    pub name: Name,
    /// Units ordered.
    pub quantity: Quantity,
    /// Of one unit.
    pub unit_price: Price,
    /// Units shipped so far, at most `quantity`.
    pub shipped: i64,
    /// Units delivered so far, at most `shipped`.
    pub delivered: i64,
}

impl Item {
    /// Quantity × unit price.
    pub fn value(&self) -> i64 {
        total([self.line()])
    }

    /// Quantity and unit price.
    fn line(&self) -> (i64, i64) {
        (self.quantity.get(), self.unit_price.get())
    }
}

/// The total of lines, each a quantity and a unit price. (The schema of events allows more than any
/// command may order; such a total stands still at the greatest number.)
pub fn total(lines: impl IntoIterator<Item = (i64, i64)>) -> i64 {
    let add = |total: i64, (quantity, unit_price): (i64, i64)| {
        total.saturating_add(quantity.saturating_mul(unit_price))
    };
    lines.into_iter().fold(0, add)
}

/// The first that fits, from the top.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Cancelled before anything was shipped.
    Cancelled,
    /// All that was paid.
    Refunded,
    /// All of it.
    Delivered,
    /// All of it.
    Shipped,
    /// Some units are shipped.
    PartiallyShipped,
    /// Paid in full, nothing shipped.
    Paid,
    /// Some is paid.
    PartiallyPaid,
    /// Nothing is paid.
    Created,
}

/// One list of names: that of each variant with its comment is more than most generators of clients
/// can read.
impl JsonSchema for Status {
    fn schema_name() -> Cow<'static, str> {
        "Status".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": Self::ALL.map(Self::as_str) })
    }
}

impl Status {
    /// Every status, in the order of an order's life.
    pub const ALL: [Self; 8] = [
        Self::Created,
        Self::PartiallyPaid,
        Self::Paid,
        Self::PartiallyShipped,
        Self::Shipped,
        Self::Delivered,
        Self::Refunded,
        Self::Cancelled,
    ];

    /// The status as it stands in JSON and in the names of lists.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Refunded => "refunded",
            Self::Delivered => "delivered",
            Self::Shipped => "shipped",
            Self::PartiallyShipped => "partially_shipped",
            Self::Paid => "paid",
            Self::PartiallyPaid => "partially_paid",
            Self::Created => "created",
        }
    }

    /// Reads what `as_str` writes.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

impl Order {
    /// What is still to be paid, in minor units.
    pub fn owed(&self) -> i64 {
        self.total - self.paid
    }

    /// Paid less refunded.
    pub fn net(&self) -> i64 {
        self.paid - self.refunded
    }

    /// Units of all items together.
    pub fn units(&self) -> i64 {
        self.items.iter().fold(0, |units, item| units.saturating_add(item.quantity.get()))
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.status == Status::Cancelled
    }

    fn anything_shipped(&self) -> bool {
        self.items.iter().any(|item| item.shipped > 0)
    }
}

/// Orders, as the pipeline is given them.
#[derive(Debug, Clone, Copy)]
pub struct OrderAggregate;

impl Aggregate for OrderAggregate {
    type State = Option<Order>;
    type Command = Command;
    type Event = Event;

    const CATEGORY: &'static str = "order";
    const STATE_VERSION: u32 = 1;

    const RESOURCE: Resource = Resource {
        name: "order",
        path: "orders",
        id: "order_id",
        create: "CreateOrder",
        actions: &[
            Action { method: "POST", segment: "items", parameter: None, command: "AddItem" },
            Action {
                method: "DELETE",
                segment: "items",
                parameter: Some("sku"),
                command: "RemoveItem",
            },
            Action {
                method: "POST",
                segment: "payments",
                parameter: None,
                command: "ProcessPayment",
            },
            Action {
                method: "POST",
                segment: "refunds",
                parameter: None,
                command: "RefundPayment",
            },
            Action {
                method: "POST",
                segment: "shipments",
                parameter: None,
                command: "ShipProducts",
            },
            Action {
                method: "POST",
                segment: "deliveries",
                parameter: None,
                command: "DeliverProducts",
            },
            Action {
                method: "POST",
                segment: "cancellation",
                parameter: None,
                command: "CancelOrder",
            },
        ],
    };

    fn contract() -> WriteContract {
        contract::contract()
    }

    fn parse(body: Value, context: &CommandContext) -> Result<Envelope<Command>, Invalid> {
        command::parse(body, context)
    }

    fn wrong_beyond_schema(body: &Value) -> Vec<FieldError> {
        command::wrong_beyond_schema(body)
    }

    fn decide(state: &Option<Order>, command: &Command) -> Result<Vec<Event>, Refusal> {
        decide::decide(state.as_ref(), command)
    }

    fn evolve(state: &mut Option<Order>, event: &Event) {
        evolve::evolve(state, event);
    }

    /// The owner of an order is its customer.
    fn belongs_to(state: &Option<Order>, owner: &str) -> bool {
        state.as_ref().is_some_and(|order| order.customer_id.as_str() == owner)
    }

    fn encode(event: &Event) -> Result<(String, u32, Json), Invalid> {
        event::codec::encode(event)
    }

    fn decode(event: &kernel::log::Event) -> Result<Event, Invalid> {
        event::codec::decode(event)
    }
}
