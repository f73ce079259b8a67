//! The name under which one system keeps its database, exchange, queues and keys.

use std::fmt;

/// A valid namespace; the default is `waybill`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace(String);

impl Namespace {
    /// Takes a lower-case letter and then at most 37 of `a`–`z`, `0`–`9`, `-` and `_`; the error says
    /// so.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        let starts = text.starts_with(|c: char| c.is_ascii_lowercase());
        if starts && text.len() <= 38 && text.chars().all(fits) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "expected a lower-case letter and then at most 37 of a-z, 0-9, - and _, got {text:?}"
        ))
    }

    /// The namespace as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self("waybill".to_owned())
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
