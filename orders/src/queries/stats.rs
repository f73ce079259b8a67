//! Totals, days, products.

use std::ops::Bound;

use kernel::parameters::{Parameters, bad};
use kernel::query::{Error, Views};
use kernel::views::{Batch, List};
use serde_json::{Map, Value, json};

use super::{Answered, DEFAULT_LIMIT, Record, behind, cut, entries, page, records, reply};
use crate::order::Status;
use crate::view::names;

pub async fn totals(views: &dyn Views, parameters: &mut Parameters<'_>) -> Answered {
    parameters.finish()?;
    let mut batch = Batch::new();
    let stats = batch.records(vec![names::STATS.to_owned()]);
    let customers = batch.count(names::CUSTOMERS);
    let mut answers = views.read(&batch).await?;
    let stats = Record(answers.take(stats)?.pop().unwrap_or_default());
    let customers = answers.take(customers)?;
    let mut by_status = Map::new();
    for status in Status::ALL {
        let name = status.as_str();
        by_status.insert(name.to_owned(), stats.sum(&format!("{}{name}", names::BY_STATUS))?);
    }
    reply(&json!({
        "orders": stats.sum("orders")?,
        "by_status": by_status,
        "customers": customers,
        "revenue": stats.sums(names::REVENUE)?,
    }))
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
    let found = records(views, days.iter().map(|date| names::day(date)).collect()).await?;
    let mut items = vec![];
    for (date, day) in days.iter().zip(found) {
        let (orders, units) = (day.sum("orders")?, day.sum("units")?);
        let revenue = day.sums(names::REVENUE)?;
        if orders != 0 || units != 0 || !revenue.is_empty() {
            let day = json!({ "date": date, "orders": orders, "units": units, "revenue": revenue });
            items.push(day);
        }
    }
    reply(&json!({ "items": items, "next": next }))
}

pub async fn products(views: &dyn Views, parameters: &mut Parameters<'_>) -> Answered {
    let limit = parameters.limit(DEFAULT_LIMIT)?;
    let after = parameters.cursor(|text| text.len() > names::RANK)?;
    parameters.finish()?;
    let best = page(names::PRODUCTS.to_owned(), true, after, limit);
    let (best, next) = cut(entries(views, best).await?, limit);
    let skus: Result<Vec<&str>, Error> =
        best.iter().map(|entry| behind(names::RANK, entry)).collect();
    let skus = skus?;
    let found = records(views, skus.iter().map(|sku| names::product(sku)).collect()).await?;
    let items: Result<Vec<Value>, Error> = skus.iter().zip(found).map(product).collect();
    reply(&json!({ "items": items?, "next": next }))
}

fn product((sku, record): (&&str, Record)) -> Result<Value, Error> {
    let name = record.0.get("name").map(|text| behind(names::TIME + names::ID, text));
    Ok(json!({
        "sku": sku,
        "name": name.transpose()?,
        "orders": record.sum("orders")?,
        "units": record.sum("units")?,
        "value": record.sums(names::VALUE)?,
    }))
}
