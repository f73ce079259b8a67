//! How the bodies of requests become commands: bounded before they are read, and read strictly.

use std::fmt;

use kernel::aggregate::{Invalid, found};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use shared::http::problem::Problem;
use shared::http::strict_json;

/// Bytes of the largest command: the body of a request, an element of an array, a line.
pub const COMMAND: usize = 64 << 10;
/// Bytes of the largest batch.
pub const BATCH: usize = 1 << 20;
/// Commands of a batch.
pub const COMMANDS: usize = 1_000;

pub const NDJSON: &str = "application/x-ndjson";

/// One command, or what is wrong with it.
pub type Read = Result<Value, Problem>;

/// Reads one command.
pub fn one(json: &[u8]) -> Read {
    if json.len() > COMMAND {
        let (bound, got) = (COMMAND, json.len());
        return Err(Problem::too_large(format!(
            "A command may have up to {bound} bytes, not {got}."
        )));
    }
    strict_json::read(json).map_err(bad)
}

/// The elements of an array, to be read by `one`. They are counted before any is read.
pub fn array(body: &[u8]) -> Result<Vec<&[u8]>, Problem> {
    match body.trim_ascii_start().first() {
        Some(b'[') | None => {}
        // What is no JSON at all is told so.
        Some(_) => {
            serde_json::from_slice::<IgnoredAny>(body).map_err(bad)?;
            let value = serde_json::from_slice(body).unwrap_or_default();
            let expected =
                format!("a JSON array of commands, or NDJSON with Content-Type {NDJSON}");
            return Err(Invalid::at("", expected, found(&value)).into());
        }
    }
    let Elements { first, count } = serde_json::from_slice(body).map_err(bad)?;
    few_enough(count)?;
    Ok(first.into_iter().map(|element| element.get().as_bytes()).collect())
}

/// The lines that are not empty, to be read by `one`. They are counted before any is read.
pub fn lines(body: &[u8]) -> Result<Vec<&[u8]>, Problem> {
    let lines =
        body.split(|byte| *byte == b'\n').filter(|line| !line.iter().all(u8::is_ascii_whitespace));
    few_enough(lines.clone().count())?;
    Ok(lines.collect())
}

fn few_enough(count: usize) -> Result<(), Problem> {
    if count <= COMMANDS {
        return Ok(());
    }
    let detail = format!("Expected up to {COMMANDS} commands, got {count}.");
    let expected = format!("up to {COMMANDS} commands");
    Err(Invalid { detail, ..Invalid::at("", expected, format!("{count}")) }.into())
}

fn bad(error: serde_json::Error) -> Problem {
    match error.is_data() {
        true => Problem::malformed(format!(
            "Expected each key of an object once (RFC 7493, section 2.3): {error}."
        )),
        false => Problem::malformed(format!("This is no JSON: {error}.")),
    }
}

/// The elements of an array that may still be commands of a batch, and how many there are.
struct Elements<'a> {
    first: Vec<&'a RawValue>,
    count: usize,
}

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ElementsVisitor)
    }
}

struct ElementsVisitor;

impl<'de> Visitor<'de> for ElementsVisitor {
    type Value = Elements<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut first = vec![];
        while first.len() < COMMANDS {
            let Some(element) = elements.next_element()? else {
                return Ok(Elements { count: first.len(), first });
            };
            first.push(element);
        }
        let mut count = COMMANDS;
        while elements.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(Elements { first, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_command_is_told() {
        let problem = one(br#"{"a": [{"deep": 1, "deep": 2}]}"#).unwrap_err();
        assert_eq!(problem.status, 400);
        assert!(problem.detail.contains("\"deep\" comes twice"), "{}", problem.detail);
        assert!(problem.detail.contains("RFC 7493"), "{}", problem.detail);
        for no_json in ["{", "1 2", "", "{\"a\":}", "1e999", &"[".repeat(COMMAND)] {
            assert!(one(no_json.as_bytes()).unwrap_err().detail.contains("no JSON"));
        }
        assert!(one(b"\"\xff\"").unwrap_err().detail.contains("no JSON"));
    }

    #[test]
    fn a_command_has_a_bound_wherever_it_stands() {
        let fits = format!("\"{}\"", "x".repeat(COMMAND - 2));
        let too_large = format!("\"{}\"", "x".repeat(COMMAND - 1));
        let status = |json: &[u8]| one(json).map_or_else(|problem| problem.status, |_| 200);
        let statuses = |found: Vec<&[u8]>| -> Vec<u16> { found.into_iter().map(status).collect() };
        let array_of_both = format!("[{fits}, {too_large} ]");
        assert_eq!(statuses(array(array_of_both.as_bytes()).unwrap()), [200, 413]);
        let lines_of_both = format!("{fits}\n{too_large}\n");
        assert_eq!(statuses(lines(lines_of_both.as_bytes()).unwrap()), [200, 413]);
        let problem = one(too_large.as_bytes()).unwrap_err();
        assert!(problem.detail.contains("65536"), "{}", problem.detail);
    }

    #[test]
    fn commands_are_counted_before_any_is_read() {
        let thousand = vec!["x"; 1_000].join("\n");
        assert_eq!(lines(thousand.as_bytes()).unwrap().len(), 1_000);
        let problem = lines("x\n".repeat(BATCH / 2).as_bytes()).unwrap_err();
        assert_eq!(
            (problem.status, &problem.detail[..]),
            (422, "Expected up to 1000 commands, got 524288.")
        );
        let array_of = |count: usize| format!("[{}]", vec!["1"; count].join(","));
        assert_eq!(array(array_of(1_000).as_bytes()).unwrap().len(), 1_000);
        let problem = array(array_of(BATCH / 2 - 1).as_bytes()).unwrap_err();
        assert_eq!(
            (problem.status, &problem.detail[..]),
            (422, "Expected up to 1000 commands, got 524287.")
        );
    }

    #[test]
    fn what_is_no_array_says_what_is_expected() {
        assert!(array(b"{}").unwrap_err().detail.contains("array"));
        assert!(array(b" {").unwrap_err().detail.contains("no JSON"));
        for no_json in ["", "[1", "[1,]", "[1] 2"] {
            assert!(array(no_json.as_bytes()).unwrap_err().detail.contains("no JSON"), "{no_json}");
        }
    }
}
