//! The questions that the views of orders answer.

mod contract;
mod customers;
pub(crate) mod examples;
mod items;
mod live;
mod orders;
mod stats;

use async_trait::async_trait;
use kernel::contract::ReadContract;
use kernel::parameters::Parameters;
use kernel::query::{Error, Queries, Question, Reply, Views};
use kernel::views::{Batch, List};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Bound;

use crate::values::MAX;
use crate::view::names;

/// Answers the questions about orders: see `docs/reference/http.md`.
#[derive(Debug, Clone, Copy)]
pub struct OrderQueries;

/// Entries of a page, where the client does not say how many it wants.
const DEFAULT_LIMIT: usize = 50;

/// Bytes of the items of a page; one that is larger is a page of its own.
const PAGE_BYTES: usize = 1 << 20;

type Answered = Result<Option<Reply>, Error>;

#[async_trait]
impl Queries for OrderQueries {
    fn contract(&self) -> ReadContract {
        contract::contract()
    }

    async fn answer(&self, views: &dyn Views, question: &Question) -> Answered {
        let path: Vec<&str> = question.path.iter().map(String::as_str).collect();
        let mut parameters = Parameters::new(&question.parameters);
        let (with, owner) = (&mut parameters, question.owner.as_deref());
        match path[..] {
            ["orders"] => orders::list(views, with, owner).await,
            ["orders", id] => orders::one(views, with, id, owner).await,
            ["customers", id] => customers::one(views, with, id, owner).await,
            _ if owner.is_some() => Ok(None), // What follows spans all customers.
            ["customers"] => customers::list(views, with).await,
            ["stats"] => stats::totals(views, with).await,
            ["stats", "daily"] => stats::daily(views, with).await,
            ["stats", "products"] => stats::products(views, with).await,
            _ => Ok(None),
        }
    }
}

fn reply(value: &impl Serialize) -> Answered {
    let body = serde_json::to_vec(value).map_err(|error| Error::Broken(error.to_string()))?;
    Ok(Some(Reply { body, version: None, shows: vec![] }))
}

/// A page of a list.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "{T}List")]
struct Items<T> {
    /// What the page shows.
    items: Vec<T>,
    /// The `cursor` of the next page; `null` at the end.
    next: Option<String>,
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

/// Whether it can be an entry of a list by a sum: the rank, and what has it.
fn is_ranked(text: &str) -> bool {
    let parts = text.get(..names::RANK).zip(text.get(names::RANK..));
    parts.is_some_and(|(rank, member)| {
        rank.bytes().all(|byte| byte.is_ascii_digit())
            && !member.is_empty()
            && !member.chars().any(char::is_control)
    })
}

async fn entries(views: &dyn Views, list: List) -> Result<Vec<String>, Error> {
    let mut batch = Batch::new();
    let entries = batch.list(list);
    Ok(views.read(&batch).await?.take(entries)?)
}

async fn records(views: &dyn Views, names: Vec<String>) -> Result<Vec<Record>, Error> {
    let mut batch = Batch::new();
    let records = batch.records(names);
    Ok(views.read(&batch).await?.take(records)?.into_iter().map(Record).collect())
}

/// A record of sums and texts.
struct Record(BTreeMap<String, String>);

impl Record {
    /// The sum in a field; 0 where nothing was added to it.
    fn number(&self, field: &str) -> Result<i64, Error> {
        self.0.get(field).map_or(Ok(0), |text| number(field, text))
    }

    /// Sums by what follows `prefix` in their field, such as a currency; those of 0 left out.
    fn numbers(&self, prefix: &str) -> Result<BTreeMap<String, i64>, Error> {
        let mut numbers = BTreeMap::new();
        for (field, text) in &self.0 {
            let Some(name) = field.strip_prefix(prefix) else { continue };
            let sum = number(field, text)?;
            if sum != 0 {
                numbers.insert(name.to_owned(), sum);
            }
        }
        Ok(numbers)
    }

    /// The same, as they are answered.
    fn sums(&self, prefix: &str) -> Result<Sums, Error> {
        Ok(self.numbers(prefix)?.into_iter().map(|(name, sum)| (name, Sum(sum))).collect())
    }

    fn sum(&self, field: &str) -> Result<Sum, Error> {
        self.number(field).map(Sum)
    }
}

fn number(field: &str, text: &str) -> Result<i64, Error> {
    text.parse().map_err(|_| Error::Broken(format!("the sum {field:?} is stored as {text:?}")))
}

/// What an entry of a list, or a text that is sorted like one, holds behind its first `bytes`.
fn behind(bytes: usize, entry: &str) -> Result<&str, Error> {
    entry.get(bytes..).ok_or_else(|| Error::Broken(format!("{entry:?} is stored in a list")))
}

/// Sums by what they are of, such as a currency.
type Sums = BTreeMap<String, Sum>;

/// A sum. In JSON it is a number as far as every reader keeps it exact, ±(2^53 - 1), and a string of
/// digits beyond (RFC 7493, section 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sum(i64);

impl Serialize for Sum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (-MAX..=MAX).contains(&self.0) {
            true => serializer.serialize_i64(self.0),
            false => serializer.collect_str(&self.0),
        }
    }
}

impl JsonSchema for Sum {
    fn schema_name() -> Cow<'static, str> {
        "Sum".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let description = "A number as far as every reader keeps it exact, and a string of digits \
                           beyond (RFC 7493, section 2.2).";
        json_schema!({
            "description": description,
            "oneOf": [
                { "type": "integer", "minimum": -MAX, "maximum": MAX },
                { "type": "string", "pattern": "^-?[0-9]{16,19}$" },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_numbers_as_far_as_every_reader_keeps_them_exact() {
        for (sum, written) in [
            (0, "0"),
            (9_007_199_254_740_991, "9007199254740991"),
            (9_007_199_254_740_992, "\"9007199254740992\""),
            (-9_007_199_254_740_991, "-9007199254740991"),
            (-9_007_199_254_740_992, "\"-9007199254740992\""),
            (i64::MAX, "\"9223372036854775807\""),
        ] {
            assert_eq!(serde_json::to_string(&Sum(sum)).unwrap(), written);
        }
    }

    #[test]
    fn a_sum_that_is_no_number_is_an_error_and_one_that_is_missing_is_0() {
        let record = |text: &str| Record([("revenue:EUR".to_owned(), text.to_owned())].into());
        assert_eq!(record("7").number("revenue:EUR").ok(), Some(7));
        assert_eq!(record("7").number("revenue:USD").ok(), Some(0));
        assert!(record("7").sums("revenue:").is_ok_and(|sums| sums["EUR"] == Sum(7)));
        for bad in ["", "seven", "7.5", "9223372036854775808"] {
            assert!(matches!(record(bad).number("revenue:EUR"), Err(Error::Broken(_))), "{bad}");
            assert!(matches!(record(bad).sums("revenue:"), Err(Error::Broken(_))), "{bad}");
        }
    }

    #[test]
    fn an_entry_that_is_too_short_is_an_error() {
        assert_eq!(behind(3, "007sku").ok(), Some("sku"));
        assert!(matches!(behind(3, "00"), Err(Error::Broken(_))));
    }
}
