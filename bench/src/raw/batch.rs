//! A batch of events as one call of `batch.lua`: the same views, lists and sums as Waybill's, each
//! touched once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;

use redis::{Cmd, Script};

use super::order::{Event, Order};
use crate::Result;

/// Where the name of a product begins with the newest order that has it: a time and an id before it.
#[derive(Default)]
struct Record {
    sums: BTreeMap<String, i64>,
    texts: BTreeMap<String, String>,
    /// A member of the list of products by this sum.
    ranked: Option<(&'static str, String)>,
}

/// What a batch changes.
#[derive(Default)]
pub struct Batch {
    /// Stream and document.
    views: Vec<(String, String)>,
    lists: HashMap<String, HashSet<String>>,
    records: HashMap<String, Record>,
    position: i64,
}

impl Batch {
    /// Adds an order that was created.
    pub fn add(&mut self, event: &Event<'_>) -> Result<()> {
        let order: Order<'_> = serde_json::from_str(event.data.get())?;
        self.position = self.position.max(event.position.parse()?);
        self.views.push((event.subject.to_owned(), document(&order, event.time)?));
        self.enter(&order);
        self.count(&order);
        Ok(())
    }

    fn enter(&mut self, order: &Order<'_>) {
        let entry = format!("{}{}", order.placed_at, order.order_id);
        let customer = &order.customer_id;
        let mut enter = |list: String, member: String| {
            self.lists.entry(list).or_default().insert(member);
        };
        enter("orders".to_owned(), entry.clone());
        enter("orders-by-status:created".to_owned(), entry.clone());
        enter(format!("orders-by-customer:{customer}"), entry.clone());
        enter(format!("orders-by-status-and-customer:created:{customer}"), entry);
        enter("customers".to_owned(), customer.to_string());
        enter("days".to_owned(), day(order).to_owned());
        let nothing_paid = format!("{:019}{customer}", 0);
        enter(format!("customers-by-value:{}", order.currency), nothing_paid);
    }

    fn count(&mut self, order: &Order<'_>) {
        let (currency, day) = (&order.currency, day(order));
        let mut add = |record: String, field: String, delta: i64| {
            let record = self.records.entry(record).or_default();
            *record.sums.entry(field).or_default() += delta;
        };
        add("stats".to_owned(), "orders".to_owned(), 1);
        add("stats".to_owned(), "status:created".to_owned(), 1);
        add("stats".to_owned(), format!("currency:{currency}"), 1);
        add(format!("customer:{}", order.customer_id), "orders".to_owned(), 1);
        let units = order.items.iter().map(|item| item.quantity).sum();
        add(format!("day:{day}"), "orders".to_owned(), 1);
        add(format!("day:{day}"), "units".to_owned(), units);
        for item in &order.items {
            let product = format!("product:{}", item.sku);
            add(product.clone(), "orders".to_owned(), 1);
            add(product.clone(), "units".to_owned(), item.quantity);
            add(product, format!("value:{currency}"), item.quantity * item.unit_price);
        }
        for item in &order.items {
            let record = self.records.entry(format!("product:{}", item.sku)).or_default();
            record.ranked = Some(("units", item.sku.to_string()));
            let name = format!("{}{}{}", order.placed_at, order.order_id, item.name);
            let kept = record.texts.entry("name".to_owned()).or_default();
            if *kept < name {
                *kept = name;
            }
        }
    }

    pub fn len(&self) -> usize {
        self.views.len()
    }

    /// The streams in the order in which the script numbers them.
    pub fn stream(&self, index: usize) -> Option<&str> {
        self.views.get(index).map(|(stream, _)| stream.as_str())
    }

    /// The call; see `batch.lua` for its layout.
    pub fn call(&self, script: &Script, namespace: &str) -> Cmd {
        let mut keys = ["applied", "updates", "list:products"]
            .map(|name| format!("{namespace}:{name}"))
            .to_vec();
        let mut arguments = Arguments(Cmd::new());
        let streams: Vec<&str> = self.views.iter().map(|(stream, _)| stream.as_str()).collect();
        arguments.number(self.position).text(&streams.join(" ")).number(self.views.len() as i64);
        for (stream, document) in &self.views {
            keys.push(format!("{namespace}:view:{stream}"));
            arguments.text(document);
        }
        arguments.number(self.lists.len() as i64);
        for (list, members) in &self.lists {
            keys.push(format!("{namespace}:list:{list}"));
            arguments.number(2 * members.len() as i64);
            for member in members {
                arguments.text("0").text(member);
            }
        }
        arguments.number(self.records.len() as i64);
        for (name, record) in &self.records {
            keys.push(format!("{namespace}:record:{name}"));
            record.write(&mut arguments);
        }
        let mut call = redis::cmd("EVALSHA");
        call.arg(script.get_hash()).arg(keys.len()).arg(keys);
        for argument in arguments.0.args_iter() {
            if let redis::Arg::Simple(bytes) = argument {
                call.arg(bytes);
            }
        }
        call
    }
}

impl Record {
    fn write(&self, arguments: &mut Arguments) {
        arguments.number(self.sums.len() as i64);
        for (field, delta) in &self.sums {
            arguments.text(field).number(*delta);
        }
        match &self.ranked {
            Some((by, member)) => {
                let place = self.sums.keys().position(|field| field == by).map_or(0, |at| at + 1);
                arguments.text(member).number(place as i64);
            }
            None => {
                arguments.text("").number(0);
            }
        }
        arguments.number(self.texts.len() as i64);
        for (field, text) in &self.texts {
            arguments.text(field).text(text);
        }
    }
}

struct Arguments(Cmd);

impl Arguments {
    fn text(&mut self, text: &str) -> &mut Self {
        self.0.arg(text);
        self
    }

    fn number(&mut self, number: i64) -> &mut Self {
        self.0.arg(number);
        self
    }
}

/// The day on which an order was placed.
fn day<'a>(order: &'a Order<'_>) -> &'a str {
    order.placed_at.get(..10).unwrap_or_default()
}

/// `<version> <order as JSON>`, with the fields that Waybill's views have.
fn document(order: &Order<'_>, time: &str) -> Result<String> {
    let mut items = String::new();
    let mut total = 0;
    for item in &order.items {
        total += item.quantity * item.unit_price;
        let comma = if items.is_empty() { "" } else { "," };
        let (sku, name) = (serde_json::to_string(&item.sku)?, serde_json::to_string(&item.name)?);
        write!(
            items,
            r#"{comma}{{"sku":{sku},"name":{name},"quantity":{},"unit_price":{},"shipped":0,"delivered":0}}"#,
            item.quantity, item.unit_price
        )?;
    }
    let customer = serde_json::to_string(&order.customer_id)?;
    Ok(format!(
        r#"1 {{"order_id":"{}","customer_id":{customer},"currency":"{}","status":"created","version":1,"items":[{items}],"total":{total},"paid":0,"refunded":0,"placed_at":"{}","updated_at":"{time}"}}"#,
        order.order_id, order.currency, order.placed_at
    ))
}
