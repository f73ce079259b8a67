//! One customer, and customers by what they are worth.

use std::ops::Bound;

use kernel::parameters::{Parameters, bad};
use kernel::query::{Error, Views};
use kernel::views::{Batch, List};
use schemars::JsonSchema;
use serde::Serialize;

use super::items::{Page, parts};
use super::{
    Answered, DEFAULT_LIMIT, Record, Sum, Sums, behind, cut, entries, is_ranked, page, records,
    reply,
};
use crate::values::Currency;
use crate::view::names;

/// A customer, by the orders that are not cancelled.
#[derive(Serialize, JsonSchema)]
pub struct Customer {
    /// As the shop names it.
    customer_id: String,
    /// How many there are.
    orders: Sum,
    /// Paid less refunded, by currency; of cancelled orders, too.
    lifetime_value: Sums,
    /// When the first was placed, cancelled or not.
    #[schemars(with = "kernel::Timestamp")]
    first_order_at: String,
    /// When the last was placed, cancelled or not.
    #[schemars(with = "kernel::Timestamp")]
    last_order_at: String,
}

pub async fn one(
    views: &dyn Views,
    parameters: &mut Parameters<'_>,
    id: &str,
    owner: Option<&str>,
) -> Answered {
    parameters.finish()?;
    let found = match owner.is_none_or(|owner| owner == id) {
        true => customers(views, &[id.to_owned()]).await?.pop().flatten(),
        false => None,
    };
    match found {
        Some(customer) => reply(&customer),
        None => {
            let detail = format!("No order is of customer {id:?}.");
            Err(Error::NotFound { what: "customer", detail })
        }
    }
}

pub async fn list(views: &dyn Views, parameters: &mut Parameters<'_>) -> Answered {
    let currency = parameters.text("currency");
    let limit = parameters.limit(DEFAULT_LIMIT)?;
    let after = parameters.cursor(is_ranked)?;
    parameters.finish()?;
    let currency = match currency {
        Some(text) => match Currency::try_from(text.to_owned()) {
            Ok(currency) => Some(currency.as_str().to_owned()),
            Err(_) => return Err(bad("currency", "a code of ISO 4217, such as EUR", text).into()),
        },
        None => most_used(views).await?,
    };
    let Some(currency) = currency else {
        return Page::before(None).reply();
    };
    let index = names::customers_by_value(&currency);
    let found = entries(views, page(index, true, after, limit)).await?;
    let (found, next) = cut(found, limit);
    let ids: Result<Vec<String>, Error> =
        found.iter().map(|entry| behind(names::RANK, entry).map(str::to_owned)).collect();
    let ids = ids?;
    let named: Vec<String> = ids.iter().map(|id| names::customer(id)).collect();
    let mut page = Page::before(next);
    for part in parts(views, &named).await? {
        let customers = customers(views, &ids[part.clone()]).await?;
        if !page.add(&found[part], &customers)? {
            break;
        }
    }
    page.reply()
}

/// The currency of most orders; of several the first by name.
async fn most_used(views: &dyn Views) -> Result<Option<String>, Error> {
    let stats = records(views, vec![names::STATS.to_owned()]).await?;
    let counts = stats.first().map(|stats| stats.numbers(names::CURRENCY)).transpose()?;
    let counts = counts.unwrap_or_default();
    let most = counts.into_iter().rev().max_by_key(|(_, orders)| *orders);
    Ok(most.map(|(currency, _)| currency))
}

/// The customers by these ids; `None` for one who has ordered nothing.
async fn customers(views: &dyn Views, ids: &[String]) -> Result<Vec<Option<Customer>>, Error> {
    let mut batch = Batch::new();
    let records = batch.records(ids.iter().map(|id| names::customer(id)).collect());
    let edges: Vec<_> =
        ids.iter().map(|id| [false, true].map(|newest| batch.list(edge(id, newest)))).collect();
    let mut answers = views.read(&batch).await?;
    let records = answers.take(records)?;
    let mut customers = vec![];
    for ((id, record), [first, last]) in ids.iter().zip(records).zip(edges) {
        let edges = time(answers.take(first)?)?.zip(time(answers.take(last)?)?);
        let shown = edges.map(|(first, last)| customer(id, &Record(record), first, last));
        customers.push(shown.transpose()?);
    }
    Ok(customers)
}

fn customer(id: &str, record: &Record, first: String, last: String) -> Result<Customer, Error> {
    Ok(Customer {
        customer_id: id.to_owned(),
        orders: record.sum("orders")?,
        lifetime_value: record.sums(names::LIFETIME)?,
        first_order_at: first,
        last_order_at: last,
    })
}

/// The one order at an end of the customer's list.
fn edge(customer: &str, newest: bool) -> List {
    let index = names::orders_by_customer(customer);
    List { index, from: Bound::Unbounded, to: Bound::Unbounded, descending: newest, limit: 1 }
}

/// When the order of the entry was placed; `None` where there is no entry.
fn time(entries: Vec<String>) -> Result<Option<String>, Error> {
    let Some(entry) = entries.into_iter().next() else { return Ok(None) };
    let id = behind(names::TIME, &entry)?;
    Ok(Some(entry[..entry.len() - id.len()].to_owned()))
}
