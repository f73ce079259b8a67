//! The order and its event as JSON, borrowed from the bytes that they were read from.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::Result;

#[derive(Debug, Serialize, Deserialize)]
pub struct Order<'a> {
    #[serde(borrow)]
    pub order_id: Cow<'a, str>,
    #[serde(borrow)]
    pub customer_id: Cow<'a, str>,
    #[serde(borrow)]
    pub currency: Cow<'a, str>,
    #[serde(borrow)]
    pub items: Vec<Item<'a>>,
    #[serde(borrow, default)]
    pub placed_at: Cow<'a, str>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Item<'a> {
    #[serde(borrow)]
    pub sku: Cow<'a, str>,
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    pub quantity: i64,
    pub unit_price: i64,
}

impl<'a> Order<'a> {
    /// Reads a request's body, refuses what is no order, and fills in the time.
    pub fn read(body: &'a [u8], now: &'a str) -> Result<Self> {
        let mut order: Self = serde_json::from_slice(body)?;
        let id: Uuid = order.order_id.parse()?;
        let valid = |item: &Item<'_>| {
            !item.sku.is_empty() && (1..=1_000_000).contains(&item.quantity) && item.unit_price >= 0
        };
        if id.is_nil() || order.items.is_empty() || !order.items.iter().all(valid) {
            return Err("no order".into());
        }
        if order.placed_at.is_empty() {
            order.placed_at = Cow::Borrowed(now);
        }
        Ok(order)
    }
}

/// What a message holds of one event: the attributes that Waybill's have too.
#[derive(Debug, Serialize, Deserialize)]
pub struct Event<'a> {
    pub specversion: &'a str,
    pub id: Uuid,
    pub source: &'a str,
    pub r#type: &'a str,
    pub subject: &'a str,
    pub time: &'a str,
    pub datacontenttype: &'a str,
    pub dataschema: &'a str,
    pub sequence: &'a str,
    pub position: &'a str,
    pub index: u32,
    pub correlationid: &'a str,
    #[serde(borrow)]
    pub data: &'a RawValue,
}

/// The time now, in UTC to the millisecond.
pub fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

/// The event as JSON.
pub fn event(id: Uuid, position: i64, stream: &str, time: &str, data: &str) -> Result<String> {
    let event = Event {
        specversion: "1.0",
        id,
        source: "/raw/3a4ffa0841f769e5cb1f042b486a0f79",
        r#type: "waybill.OrderCreated",
        subject: stream,
        time,
        datacontenttype: "application/json",
        dataschema: "/schemas/OrderCreated/1",
        sequence: &format!("{:019}", 1),
        position: &format!("{position:019}"),
        index: 0,
        correlationid: &id.to_string(),
        data: serde_json::from_str(data)?,
    };
    Ok(serde_json::to_string(&event)?)
}

/// An event for backlogs, of the order with this number.
pub fn sample(ids: &crate::load::Ids, number: u64) -> Result<String> {
    let id = ids.text(number);
    let id = std::str::from_utf8(&id)?;
    let item = |sku: u64| Item {
        sku: format!("P-{sku:04}").into(),
        name: format!("Lamp {sku}").into(),
        quantity: 1 + (sku % 3) as i64,
        unit_price: 199 + (7_919 * sku % 20_000) as i64,
    };
    let (time, first) = (now(), number * number % 500);
    let order = Order {
        order_id: id.into(),
        customer_id: format!("C-{:05}", number * 7 % 2_000).into(),
        currency: ["EUR", "EUR", "EUR", "USD", "GBP"][number as usize % 5].into(),
        items: vec![item(first), item((first + 1 + number % 7) % 500)],
        placed_at: time.as_str().into(),
    };
    let position = number as i64 + 1;
    let data = serde_json::to_string(&order)?;
    event(Uuid::now_v7(), position, &format!("order-{id}"), &time, &data)
}
