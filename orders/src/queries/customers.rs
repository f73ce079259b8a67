//! One customer, and customers by what they are worth.

use std::ops::Bound;

use serde_json::{Value, json};
use shared::problem::Problem;
use shared::queries::{Unanswered, Views};
use shared::view_store::{Answer, List, Read};

use super::parameters::{Parameters, bad};
use super::{Answered, Record, cut, entries, page, records, reply};
use crate::values::Currency;
use crate::view::names;

pub async fn one(views: &Views<'_>, parameters: &mut Parameters<'_>, id: &str) -> Answered {
    parameters.finish()?;
    match customers(views, &[id.to_owned()]).await?.pop() {
        Some(customer) => reply(&customer),
        None => Err(Problem::unknown("customer", format!("Nobody ordered as {id:?}.")).into()),
    }
}

pub async fn list(views: &Views<'_>, parameters: &mut Parameters<'_>) -> Answered {
    let currency = parameters.text("currency");
    let limit = parameters.limit()?;
    let ranked = |text: &str| {
        text.get(..names::RANK).is_some_and(|rank| rank.bytes().all(|b| b.is_ascii_digit()))
    };
    let after = parameters.cursor(ranked)?;
    parameters.finish()?;
    let currency = match currency {
        Some(text) => match Currency::try_from(text.to_owned()) {
            Ok(currency) => Some(currency.as_str().to_owned()),
            Err(_) => return Err(bad("currency", "a code of ISO 4217, such as EUR", text).into()),
        },
        None => most_used(views).await?,
    };
    let Some(currency) = currency else { return reply(&json!({ "items": [], "next": null })) };
    let index = names::customers_by_value(&currency);
    let found = views.read(&[Read::List(page(index, true, after, limit))]).await?.pop();
    let (found, next) = cut(entries(found), limit);
    let ids: Vec<String> =
        found.iter().filter_map(|entry| Some(entry.get(names::RANK..)?.to_owned())).collect();
    reply(&json!({ "items": customers(views, &ids).await?, "next": next }))
}

/// The currency of most orders; of several the first by name.
async fn most_used(views: &Views<'_>) -> Result<Option<String>, Unanswered> {
    let stats = records(views.read(&[Read::Records(vec![names::STATS.to_owned()])]).await?.pop());
    let counts = stats.first().map(|stats| stats.numbers(names::CURRENCY)).unwrap_or_default();
    let most = counts.into_iter().rev().max_by_key(|(_, orders)| *orders);
    Ok(most.map(|(currency, _)| currency))
}

/// The customers by these ids who ordered anything, in this order.
async fn customers(views: &Views<'_>, ids: &[String]) -> Result<Vec<Value>, Unanswered> {
    let mut reads = vec![Read::Records(ids.iter().map(|id| names::customer(id)).collect())];
    for id in ids {
        reads.extend([false, true].map(|newest| Read::List(edge(id, newest))));
    }
    let mut answers = views.read(&reads).await?.into_iter();
    let records = records(answers.next());
    let mut time = || time(answers.next());
    let each = ids.iter().zip(records).filter_map(|(id, record)| {
        let (first, last) = (time(), time());
        Some(customer(id, &record, first?, last?))
    });
    Ok(each.collect())
}

fn customer(id: &str, record: &Record, first: String, last: String) -> Value {
    json!({
        "customer_id": id,
        "orders": record.sum("orders"),
        "lifetime_value": record.sums(names::LIFETIME),
        "first_order_at": first,
        "last_order_at": last,
    })
}

/// The one order at an end of the customer's list.
fn edge(customer: &str, newest: bool) -> List {
    let index = names::orders_by_customer(customer);
    List { index, from: Bound::Unbounded, to: Bound::Unbounded, descending: newest, limit: 1 }
}

fn time(answer: Option<Answer>) -> Option<String> {
    Some(entries(answer).first()?.get(..names::TIME)?.to_owned())
}
