//! Totals, days, products.

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
use crate::order::Status;
use crate::view::names;

/// Totals over all orders.
#[derive(Serialize, JsonSchema)]
pub struct Totals {
    /// How many there are.
    orders: Sum,
    /// How many of each status.
    by_status: Sums,
    /// How many ordered anything.
    customers: u64,
    /// Paid less refunded, by currency.
    revenue: Sums,
}

/// A UTC day, by the orders that were placed on it.
#[derive(Serialize, JsonSchema)]
pub struct Day {
    /// Such as `2026-01-31`.
    #[schemars(extend("format" = "date"))]
    date: String,
    /// Those that are not cancelled.
    orders: Sum,
    /// Units in these.
    units: Sum,
    /// Paid less refunded, by currency; of cancelled orders, too.
    revenue: Sums,
}

/// A product, by the orders that are not cancelled.
#[derive(Serialize, JsonSchema)]
pub struct Product {
    /// Which one.
    sku: String,
    /// What it is called in the newest order that has it.
    name: Option<String>,
    /// Orders that have it.
    orders: Sum,
    /// Units in these.
    units: Sum,
    /// Quantity × unit price, by currency.
    value: Sums,
}

pub async fn totals(views: &dyn Views, parameters: &mut Parameters<'_>) -> Answered {
    parameters.finish()?;
    let mut batch = Batch::new();
    let stats = batch.records(vec![names::STATS.to_owned()]);
    let customers = batch.count(names::CUSTOMERS);
    let mut answers = views.read(&batch).await?;
    let stats = Record(answers.take(stats)?.pop().unwrap_or_default());
    let customers = answers.take(customers)?;
    let mut by_status = Sums::new();
    for status in Status::ALL {
        let name = status.as_str();
        by_status.insert(name.to_owned(), stats.sum(&format!("{}{name}", names::BY_STATUS))?);
    }
    reply(&Totals {
        orders: stats.sum("orders")?,
        by_status,
        customers,
        revenue: stats.sums(names::REVENUE)?,
    })
}

pub async fn daily(views: &dyn Views, parameters: &mut Parameters<'_>) -> Answered {
    let from = parameters.date("from")?;
    let to = parameters.date("to")?;
    let limit = parameters.limit(DEFAULT_LIMIT)?;
    let after = parameters.date("cursor")?;
    parameters.finish()?;
    if let (Some(from), Some(to)) = (&from, &to)
        && from > to
    {
        return Err(bad("to", &format!("a date not before {from}"), to).into());
    }
    let from = from.map_or(Bound::Unbounded, Bound::Included);
    let days = List {
        index: names::DAYS.to_owned(),
        from: after.map_or(from, Bound::Excluded),
        to: to.map_or(Bound::Unbounded, Bound::Included),
        descending: false,
        limit: limit + 1,
    };
    let (days, next) = cut(entries(views, days).await?, limit);
    let named: Vec<String> = days.iter().map(|date| names::day(date)).collect();
    let mut page = Page::before(next);
    for part in parts(views, &named).await? {
        let found = records(views, named[part.clone()].to_vec()).await?;
        let days = &days[part];
        let items: Result<Vec<_>, Error> = days.iter().zip(&found).map(day).collect();
        if !page.add(days, &items?)? {
            break;
        }
    }
    page.reply()
}

/// `None` where there is nothing to show of the day.
fn day((date, record): (&String, &Record)) -> Result<Option<Day>, Error> {
    let (orders, units) = (record.sum("orders")?, record.sum("units")?);
    let revenue = record.sums(names::REVENUE)?;
    let is_empty = orders == Sum(0) && units == Sum(0) && revenue.is_empty();
    Ok((!is_empty).then(|| Day { date: date.clone(), orders, units, revenue }))
}

pub async fn products(views: &dyn Views, parameters: &mut Parameters<'_>) -> Answered {
    let limit = parameters.limit(DEFAULT_LIMIT)?;
    let after = parameters.cursor(is_ranked)?;
    parameters.finish()?;
    let best = page(names::PRODUCTS.to_owned(), true, after, limit);
    let (best, next) = cut(entries(views, best).await?, limit);
    let skus: Result<Vec<&str>, Error> =
        best.iter().map(|entry| behind(names::RANK, entry)).collect();
    let skus = skus?;
    let named: Vec<String> = skus.iter().map(|sku| names::product(sku)).collect();
    let mut page = Page::before(next);
    for part in parts(views, &named).await? {
        let found = records(views, named[part.clone()].to_vec()).await?;
        let items: Result<Vec<_>, Error> =
            skus[part.clone()].iter().zip(&found).map(product).collect();
        if !page.add(&best[part], &items?)? {
            break;
        }
    }
    page.reply()
}

fn product((sku, record): (&&str, &Record)) -> Result<Option<Product>, Error> {
    let name = record.0.get("name").map(|text| behind(names::TIME + names::ID, text));
    Ok(Some(Product {
        sku: (*sku).to_owned(),
        name: name.transpose()?.map(str::to_owned),
        orders: record.sum("orders")?,
        units: record.sum("units")?,
        value: record.sums(names::VALUE)?,
    }))
}
