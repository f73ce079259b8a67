//! The questions that the views of orders answer.

mod customers;
mod orders;
mod parameters;
mod stats;

use async_trait::async_trait;
use serde::Serialize;
use serde_json::{Map, Value};
use shared::problem::Problem;
use shared::queries::{Queries, Question, Reply, Unanswered, Views};
use shared::view_store::{Answer, List};
use std::collections::BTreeMap;
use std::ops::Bound;

use self::parameters::Parameters;

#[derive(Debug, Clone, Copy)]
pub struct OrderQueries;

type Answered = Result<Option<Reply>, Unanswered>;

#[async_trait]
impl Queries for OrderQueries {
    async fn answer(&self, views: &Views<'_>, question: &Question) -> Answered {
        let path: Vec<&str> = question.path.iter().map(String::as_str).collect();
        let mut parameters = Parameters::new(&question.parameters);
        let with = &mut parameters;
        match path[..] {
            ["orders"] => orders::list(views, with).await,
            ["orders", id] => orders::one(views, with, id).await,
            ["customers"] => customers::list(views, with).await,
            ["customers", id] => customers::one(views, with, id).await,
            ["stats"] => stats::totals(views, with).await,
            ["stats", "daily"] => stats::daily(views, with).await,
            ["stats", "products"] => stats::products(views, with).await,
            _ => Ok(None),
        }
    }
}

fn reply(value: &impl Serialize) -> Answered {
    let body = serde_json::to_vec(value).map_err(|error| Problem::internal(error.to_string()))?;
    Ok(Some(Reply { body, version: None, shows: vec![] }))
}

/// A part of a list, from behind the cursor on; one entry more than fits tells whether more follow.
fn page(index: String, descending: bool, after: Option<String>, limit: usize) -> List {
    let edge = after.map_or(Bound::Unbounded, Bound::Excluded);
    let (from, to) = if descending { (Bound::Unbounded, edge) } else { (edge, Bound::Unbounded) };
    List { index, from, to, descending, limit: limit + 1 }
}

/// Cuts a page to its limit; the second part is the cursor of the next page.
fn cut(mut entries: Vec<String>, limit: usize) -> (Vec<String>, Option<String>) {
    if entries.len() <= limit {
        return (entries, None);
    }
    entries.truncate(limit);
    let next = entries.last().cloned();
    (entries, next)
}

fn entries(answer: Option<Answer>) -> Vec<String> {
    match answer {
        Some(Answer::List(entries)) => entries,
        _ => vec![],
    }
}

fn records(answer: Option<Answer>) -> Vec<Record> {
    match answer {
        Some(Answer::Records(records)) => records.into_iter().map(Record).collect(),
        _ => vec![],
    }
}

/// A record of sums and texts.
struct Record(BTreeMap<String, String>);

impl Record {
    fn number(&self, field: &str) -> i64 {
        self.0.get(field).and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// Sums by what follows `prefix` in their field, such as a currency; those of 0 left out.
    fn numbers(&self, prefix: &str) -> Map<String, Value> {
        let with_prefix = self.0.iter().filter_map(|(field, text)| {
            Some((field.strip_prefix(prefix)?.to_owned(), text.parse::<i64>().ok()?))
        });
        with_prefix.filter(|(_, sum)| *sum != 0).map(|(name, sum)| (name, sum.into())).collect()
    }
}
