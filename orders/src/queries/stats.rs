//! Totals, days, products.

use std::ops::Bound;

use kernel::parameters::{Parameters, bad};
use kernel::query::Views;
use kernel::views::{Batch, List};
use serde_json::{Map, Value, json};

use super::{Answered, DEFAULT_LIMIT, Record, cut, entries, page, records, reply};
use crate::order::Status;
use crate::view::names;

pub async fn totals(views: &dyn Views, parameters: &mut Parameters<'_>) -> Answered {
    parameters.finish()?;
    let mut batch = Batch::new();
    let stats = batch.records(vec![names::STATS.to_owned()]);
    let customers = batch.count(names::CUSTOMERS);
    let mut answers = views.read(&batch).await?;
    let stats = answers.take(stats)?.pop().map(Record);
    let customers = answers.take(customers)?;
    let number = |field: &str| stats.as_ref().map_or(0.into(), |stats| stats.sum(field));
    let by_status: Map<String, Value> = Status::ALL
        .iter()
        .map(|status| {
            let name = status.as_str();
            (name.to_owned(), number(&format!("{}{name}", names::BY_STATUS)))
        })
        .collect();
    reply(&json!({
        "orders": number("orders"),
        "by_status": by_status,
        "customers": customers,
        "revenue": stats.as_ref().map(|stats| stats.sums(names::REVENUE)).unwrap_or_default(),
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
    let day = |(date, day): (&String, Record)| {
        let (orders, units) = (day.sum("orders"), day.sum("units"));
        let revenue = day.sums(names::REVENUE);
        let empty = orders == 0 && units == 0 && revenue.is_empty();
        (!empty)
            .then(|| json!({ "date": date, "orders": orders, "units": units, "revenue": revenue }))
    };
    let items: Vec<Value> = days.iter().zip(found).filter_map(day).collect();
    reply(&json!({ "items": items, "next": next }))
}

pub async fn products(views: &dyn Views, parameters: &mut Parameters<'_>) -> Answered {
    let limit = parameters.limit(DEFAULT_LIMIT)?;
    let after = parameters.cursor(|text| text.len() > names::RANK)?;
    parameters.finish()?;
    let best = page(names::PRODUCTS.to_owned(), true, after, limit);
    let (best, next) = cut(entries(views, best).await?, limit);
    let skus: Vec<&str> = best.iter().filter_map(|entry| entry.get(names::RANK..)).collect();
    let found = records(views, skus.iter().map(|sku| names::product(sku)).collect()).await?;
    let product = |(sku, product): (&&str, Record)| {
        let named = product.0.get("name").and_then(|text| text.get(names::TIME + names::ID..));
        json!({
            "sku": sku,
            "name": named,
            "orders": product.sum("orders"),
            "units": product.sum("units"),
            "value": product.sums(names::VALUE),
        })
    };
    let items: Vec<Value> = skus.iter().zip(found).map(product).collect();
    reply(&json!({ "items": items, "next": next }))
}
