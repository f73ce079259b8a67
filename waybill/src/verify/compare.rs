//! Compares the answers of query-api with those that a fold of the log gives.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use kernel::aggregate::Aggregate as _;
use kernel::log::{LogId, StreamName};
use kernel::query::{Queries as _, Question};
use kernel::{Failure, Result};
use orders::{Order, OrderAggregate, OrderQueries, Status};
use serde_json::Value;
use shared::view_store::memory::Memory;
use shared::view_store::{Generation, GenerationViews, ViewStore as _};

use super::fold::Folded;
use crate::client::{Client, encode};

/// Questions under way together.
const AT_A_TIME: usize = 16;

pub struct Compare<'a> {
    folded: &'a mut Folded,
    commands: &'a Client,
    queries: &'a Client,
    differences: Vec<String>,
}

type Parameters = BTreeMap<String, String>;

fn parameters(pairs: &[(&str, &str)]) -> Parameters {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

impl<'a> Compare<'a> {
    pub fn new(folded: &'a mut Folded, commands: &'a Client, queries: &'a Client) -> Self {
        Self { folded, commands, queries, differences: vec![] }
    }

    pub fn finish(self) -> Vec<String> {
        self.differences
    }

    /// Compares each order at its view's version; returns how many views are behind the log.
    pub async fn orders(&mut self) -> Result<usize> {
        let mut behind = 0;
        let mut seen = 0;
        let mut page = parameters(&[("limit", "1000")]);
        self.show("orders compared", self.folded.streams.len());
        loop {
            let mut answer = self.ask("/orders", &page).await?;
            let items = match answer["items"].take() {
                Value::Array(items) => items,
                _ => vec![],
            };
            for view in items {
                seen += 1;
                self.folded.bar.inc(1);
                behind += usize::from(self.order(&view).await?);
            }
            match answer["next"].as_str() {
                Some(next) => page.insert("cursor".to_owned(), next.to_owned()),
                None => break,
            };
        }
        // One that is in no list yet is behind as well.
        Ok(behind + self.folded.streams.len().saturating_sub(seen))
    }

    fn show(&self, what: &'static str, length: usize) {
        self.folded.bar.set_message(what);
        self.folded.bar.set_length(length as u64);
        self.folded.bar.set_position(0);
    }

    async fn order(&mut self, view: &Value) -> Result<bool> {
        let id = view["order_id"].as_str().and_then(|id| id.parse().ok());
        let (Some(id), Some(version)) = (id, view["version"].as_i64()) else {
            self.differences.push(format!("an order without id or version: {view}"));
            return Ok(false);
        };
        let stream = StreamName::new(OrderAggregate::CATEGORY, id);
        if self.folded.version(&stream) < version {
            self.folded.read_on(self.commands).await?;
        }
        match self.folded.view(&stream, version) {
            Some(Ok(expected)) if expected == *view => {}
            Some(Ok(expected)) => {
                self.differences.push(format!(
                    "{stream} at version {version}: the fold is {expected}, the view {view}"
                ));
            }
            Some(Err(why)) => {
                self.differences.push(format!("{stream} at version {version} does not fold: {why}"))
            }
            None => self.differences.push(format!("{stream} has a view and no events")),
        }
        Ok(self.folded.version(&stream) > version)
    }

    /// Whether the log went on meanwhile.
    pub async fn grew(&mut self) -> Result<bool> {
        let before = self.folded.commits;
        self.folded.read_on(self.commands).await?;
        Ok(self.folded.commits > before || self.folded.at_hole)
    }

    async fn ask(&self, path: &str, parameters: &Parameters) -> Result<Value> {
        let pairs: Vec<String> =
            parameters.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        self.queries.get(&format!("{path}?{}", pairs.join("&"))).await
    }

    /// Lists, customers, days, products and totals: asks both sides all questions.
    pub async fn everything_else(&mut self) -> Result<()> {
        let expected = Expected::of(self.folded).await?;
        let mut questions: Vec<(&str, Parameters)> = vec![
            ("/stats", parameters(&[])),
            ("/stats/daily", parameters(&[("limit", "1000")])),
            ("/stats/products", parameters(&[("limit", "1000")])),
            ("/orders", parameters(&[("limit", "1000")])),
        ];
        for status in Status::ALL {
            questions
                .push(("/orders", parameters(&[("limit", "1000"), ("status", status.as_str())])));
        }
        for currency in &expected.currencies {
            questions
                .push(("/customers", parameters(&[("limit", "1000"), ("currency", currency)])));
        }
        for customer in &expected.customers {
            let of = parameters(&[("limit", "1000"), ("customer_id", customer)]);
            questions.push(("/orders", of.clone()));
            for status in Status::ALL {
                let mut of = of.clone();
                of.insert("status".to_owned(), status.as_str().to_owned());
                questions.push(("/orders", of));
            }
        }
        self.show("questions asked", questions.len());
        let asked = questions.into_iter().map(|(path, question)| {
            let (this, expected) = (&*self, &expected);
            async move {
                let found = this.pages(expected, path, question).await;
                this.folded.bar.inc(1);
                found
            }
        });
        let found: Vec<Option<String>> =
            stream::iter(asked).buffer_unordered(AT_A_TIME).try_collect().await?;
        self.differences.extend(found.into_iter().flatten());
        Ok(())
    }

    /// Asks both sides for all pages; returns where they differ first.
    async fn pages(
        &self,
        expected: &Expected,
        path: &str,
        mut question: Parameters,
    ) -> Result<Option<String>> {
        loop {
            let (there, here) =
                (expected.ask(path, &question).await?, self.ask(path, &question).await?);
            if there != here {
                return Ok(Some(difference(path, &question, &there, &here)));
            }
            match here["next"].as_str() {
                Some(next) => question.insert("cursor".to_owned(), next.to_owned()),
                None => return Ok(None),
            };
        }
    }
}

/// The first item that differs, or the whole answers.
fn difference(path: &str, question: &Parameters, expected: &Value, found: &Value) -> String {
    let (Some(there), Some(here)) = (expected["items"].as_array(), found["items"].as_array())
    else {
        return format!("{path}: the fold gives {expected}, the views {found}");
    };
    let at =
        there.iter().zip(here).position(|(a, b)| a != b).unwrap_or(there.len().min(here.len()));
    let text = |items: &[Value]| items.get(at).map_or("nothing".to_owned(), Value::to_string);
    format!(
        "{path} {question:?}, item {at}: the fold gives {}, the views {}",
        text(there),
        text(here)
    )
}

/// The same questions, answered from a fold of the log.
struct Expected {
    views: Memory,
    generation: Generation,
    customers: BTreeSet<String>,
    currencies: BTreeSet<String>,
}

impl Expected {
    async fn of(folded: &Folded) -> Result<Self> {
        let views = Memory::default();
        let generation = Generation::new(LogId::stored("fold"), 0);
        views.begin(&generation).await?;
        views.promote(None, &generation.id).await?;
        let (mut customers, mut currencies) = (BTreeSet::new(), BTreeSet::new());
        for stream in folded.streams.keys() {
            let Some(Ok(change)) = folded.change(stream, i64::MAX) else { continue };
            if let Ok(order) = serde_json::from_slice::<Order>(&change.document) {
                customers.insert(order.customer_id.to_string());
                currencies.insert(order.currency.to_string());
            }
            views.apply(&generation.id, &[change]).await?;
        }
        Ok(Self { views, generation, customers, currencies })
    }

    async fn ask(&self, path: &str, parameters: &Parameters) -> Result<Value> {
        let question = Question {
            path: path.split('/').skip(1).map(str::to_owned).collect(),
            parameters: parameters.clone(),
            owner: None,
        };
        let views = GenerationViews::new(&self.views, &self.generation.id);
        let what = "answering from the fold";
        match OrderQueries.answer(&views, &question).await {
            Ok(Some(reply)) => {
                serde_json::from_slice(&reply.body).map_err(|e| Failure::permanent(what, e))
            }
            Ok(None) => Err(Failure::permanent(what, "there is no such question")),
            Err(error) => Err(Failure::permanent(what, format!("{error:?}"))),
        }
    }
}
