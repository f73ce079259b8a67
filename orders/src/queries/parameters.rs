//! The parameters of a question: all known, each valid.

use std::collections::{BTreeMap, BTreeSet};

use kernel::Timestamp;
use shared::problem::Problem;

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 1_000;

pub struct Parameters<'a> {
    given: &'a BTreeMap<String, String>,
    known: BTreeSet<&'static str>,
}

impl<'a> Parameters<'a> {
    pub fn new(given: &'a BTreeMap<String, String>) -> Self {
        Self { given, known: BTreeSet::new() }
    }

    pub fn text(&mut self, name: &'static str) -> Option<&'a str> {
        self.known.insert(name);
        self.given.get(name).map(String::as_str)
    }

    pub fn limit(&mut self) -> Result<usize, Problem> {
        let Some(text) = self.text("limit") else { return Ok(DEFAULT_LIMIT) };
        match text.parse() {
            Ok(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
            _ => Err(bad("limit", &format!("an integer from 1 to {MAX_LIMIT}"), text)),
        }
    }

    /// The `next` of the page before; `fits` tells what could be one.
    pub fn cursor(&mut self, fits: impl Fn(&str) -> bool) -> Result<Option<String>, Problem> {
        match self.text("cursor") {
            Some(text) if !fits(text) => {
                Err(bad("cursor", "the `next` of an answer to this path", text))
            }
            cursor => Ok(cursor.map(str::to_owned)),
        }
    }

    pub fn date(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match Timestamp::parse(&format!("{text}T00:00:00Z")) {
            Ok(time) if time.date() == text => Ok(Some(text.to_owned())),
            _ => Err(bad(name, "a date such as 2026-01-31", text)),
        }
    }

    /// Refuses parameters that were not asked for.
    pub fn finish(&self) -> Result<(), Problem> {
        let Some(unknown) = self.given.keys().find(|name| !self.known.contains(name.as_str()))
        else {
            return Ok(());
        };
        let known: Vec<&str> = self.known.iter().copied().collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Err(Problem::malformed(format!(
            "Parameter {unknown:?} is unknown here; expected: {known}."
        )))
    }
}

pub fn bad(name: &str, expected: &str, got: &str) -> Problem {
    Problem::malformed(format!("Parameter {name:?}: expected {expected}, got {got:?}."))
}
