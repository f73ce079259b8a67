//! The parameters of a request's query string: all known, each valid.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::Timestamp;

/// The longest list that a client may ask for.
pub const MAX_LIMIT: usize = 1_000;

macro_rules! described {
    ($($(#[$doc:meta])* $name:ident: $schema:tt;)*) => { $(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )* };
}

described! {
    /// The values that `Parameters::limit` reads, for descriptions.
    Limit: { "type": "integer", "minimum": 1, "maximum": MAX_LIMIT };
    /// The values that `Parameters::date` reads, for descriptions.
    Date: { "type": "string", "format": "date" };
}

/// A parameter is unknown or malformed: says which, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// The value of a parameter is not what was expected.
pub fn bad(name: &str, expected: &str, got: &str) -> Error {
    Error(format!("Parameter {name:?}: expected {expected}, got {got:?}."))
}

/// A number: ASCII digits alone, no sign.
pub fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Reads parameters one by one, and remembers which were asked for.
#[derive(Debug)]
pub struct Parameters<'a> {
    given: &'a BTreeMap<String, String>,
    known: BTreeSet<&'static str>,
}

impl<'a> Parameters<'a> {
    /// The parameters that were given, by name.
    pub fn new(given: &'a BTreeMap<String, String>) -> Self {
        Self { given, known: BTreeSet::new() }
    }

    /// The parameter as it was given.
    pub fn text(&mut self, name: &'static str) -> Option<&'a str> {
        self.known.insert(name);
        self.given.get(name).map(String::as_str)
    }

    /// The parameter as `read` reads it; `None` from `read` is a value that is not `expected`.
    pub fn read<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(text) = self.text(name) else { return Ok(None) };
        read(text).map(Some).ok_or_else(|| bad(name, expected, text))
    }

    /// `limit`: how many entries a page has at most.
    pub fn limit(&mut self, default: usize) -> Result<usize, Error> {
        let fits = |text: &str| number(text).filter(|limit| (1..=MAX_LIMIT).contains(limit));
        let limit = self.read("limit", &format!("an integer from 1 to {MAX_LIMIT}"), fits)?;
        Ok(limit.unwrap_or(default))
    }

    /// `cursor`: the `next` of the page before; `fits` tells what could be one.
    pub fn cursor(&mut self, fits: impl Fn(&str) -> bool) -> Result<Option<String>, Error> {
        let cursor = |text: &str| fits(text).then(|| text.to_owned());
        self.read("cursor", "the `next` of an answer to this path", cursor)
    }

    /// A day, such as `2026-01-31`.
    pub fn date(&mut self, name: &'static str) -> Result<Option<String>, Error> {
        let date = |text: &str| {
            let time = Timestamp::parse(&format!("{text}T00:00:00Z")).ok()?;
            (time.date() == text).then(|| text.to_owned())
        };
        self.read(name, "a date such as 2026-01-31", date)
    }

    /// Refuses parameters that were not asked for.
    pub fn finish(&self) -> Result<(), Error> {
        self.only(&self.known.iter().copied().collect::<Vec<_>>())
    }

    /// Refuses all parameters but these.
    pub fn only(&self, known: &[&str]) -> Result<(), Error> {
        let Some(unknown) = self.given.keys().find(|name| !known.contains(&name.as_str())) else {
            return Ok(());
        };
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Err(Error(format!("Parameter {unknown:?} is unknown here; expected: {known}.")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn what_was_not_asked_for_is_unknown() {
        let given = given(&[("limit", "7"), ("sort", "up")]);
        let mut parameters = Parameters::new(&given);
        assert_eq!(parameters.limit(50), Ok(7));
        let unknown = "Parameter \"sort\" is unknown here; expected: limit.";
        assert_eq!(parameters.finish(), Err(Error(unknown.to_owned())));
        assert_eq!(parameters.only(&["limit", "sort"]), Ok(()));
    }

    #[test]
    fn what_does_not_fit_says_what_was_expected() {
        for limit in ["0", "1001", "-1", "+1", "x", ""] {
            let given = given(&[("limit", limit)]);
            let why =
                format!("Parameter \"limit\": expected an integer from 1 to 1000, got {limit:?}.");
            assert_eq!(Parameters::new(&given).limit(50), Err(Error(why)));
        }
        let given = given(&[("from", "2026-02-31")]);
        assert!(Parameters::new(&given).date("from").is_err());
        assert_eq!(Parameters::new(&given).date("to"), Ok(None));
    }
}
