//! Every field of a body that does not fit its schema: where, what was expected, what was found.

use std::collections::BTreeSet;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use kernel::aggregate::{FieldError, found};
use serde_json::Value;

/// Fields that one answer lists at most.
pub const MAX_ERRORS: usize = 100;

/// What of a body does not fit.
#[derive(Debug, Default)]
pub struct Wrong {
    /// The first fields, up to `MAX_ERRORS` of them. Each is there once, with the first that is wrong with it.
    pub listed: Vec<FieldError>,
    /// Where all others are, as JSON pointers.
    pub others: BTreeSet<String>,
}

/// A schema, ready to be compared with bodies.
#[derive(Debug)]
pub struct Fields(Validator);

impl Fields {
    /// Reads the schema (JSON Schema, draft 2020-12). An error when it is none.
    pub fn of(schema: &Value) -> Result<Self, String> {
        let mut options = jsonschema::draft202012::options();
        options = options.should_validate_formats(true);
        options.build(schema).map(Self).map_err(|error| error.to_string())
    }

    /// The fields that are wrong. What was found is looked at for those alone that are listed.
    pub fn wrong(&self, body: &Value) -> Wrong {
        let Wrong { mut listed, mut others } = Wrong::default();
        let mut seen = BTreeSet::new();
        for error in self.0.iter_errors(body) {
            if listed.len() < MAX_ERRORS {
                let fields = fields(&error).into_iter();
                listed.extend(fields.filter(|field| seen.insert(field.pointer.clone())));
            } else {
                others.extend(pointers(&error));
            }
        }
        let beyond = listed.drain(listed.len().min(MAX_ERRORS)..);
        others.extend(beyond.map(|error| error.pointer));
        for error in &listed {
            others.remove(&error.pointer);
        }
        Wrong { listed, others }
    }
}

/// Below this pointer (RFC 6901).
fn below(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Where `fields` finds something.
fn pointers(error: &ValidationError<'_>) -> Vec<String> {
    use ValidationErrorKind as Kind;
    let pointer = error.instance_path().as_str();
    match error.kind() {
        Kind::Required { property } => vec![below(pointer, property.as_str().unwrap_or_default())],
        Kind::AdditionalProperties { unexpected } => {
            unexpected.iter().map(|name| below(pointer, name)).collect()
        }
        _ => vec![pointer.to_owned()],
    }
}

fn fields(error: &ValidationError<'_>) -> Vec<FieldError> {
    use ValidationErrorKind as Kind;
    let pointer = error.instance_path().as_str().to_owned();
    let instance = error.instance();
    let one = |expected: String| {
        vec![FieldError { pointer: pointer.clone(), expected, found: found(instance) }]
    };
    match error.kind() {
        Kind::Required { property } => {
            let pointer = below(&pointer, property.as_str().unwrap_or_default());
            vec![FieldError {
                pointer,
                expected: "a value".to_owned(),
                found: "nothing".to_owned(),
            }]
        }
        Kind::AdditionalProperties { unexpected } => {
            let unknown = |name: &String| FieldError {
                pointer: below(&pointer, name),
                expected: "no such field".to_owned(),
                found: instance.get(name).map_or_else(|| "a value".to_owned(), found),
            };
            unexpected.iter().map(unknown).collect()
        }
        kind => one(expected(kind).unwrap_or_else(|| error.masked().to_string())),
    }
}

/// What was expected, in words; `None` for what no schema of a command says.
fn expected(kind: &ValidationErrorKind) -> Option<String> {
    use ValidationErrorKind as Kind;
    Some(match kind {
        Kind::Type { kind: TypeKind::Single(of) } => one_of_type(&of.to_string()),
        Kind::Type { kind: TypeKind::Multiple(of) } => {
            let of: Vec<String> = of.iter().map(|of| one_of_type(&of.to_string())).collect();
            of.join(" or ")
        }
        Kind::Minimum { limit } => format!("a number from {limit}"),
        Kind::Maximum { limit } => format!("a number up to {limit}"),
        Kind::MinLength { limit } => format!("{limit} or more characters"),
        Kind::MaxLength { limit } => format!("up to {limit} characters"),
        Kind::MinItems { limit } => format!("{limit} or more items"),
        Kind::MaxItems { limit } => format!("up to {limit} items"),
        Kind::Pattern { pattern } => format!("a text that fits the regular expression {pattern}"),
        Kind::Format { format } => match format.as_str() {
            "uuid" => "a UUID, written with hyphens".to_owned(),
            "date-time" => "a time as in RFC 3339, such as 2026-01-02T03:04:05Z".to_owned(),
            other => format!("a text of the format {other}"),
        },
        Kind::Constant { expected_value } => expected_value.to_string(),
        Kind::Enum { options } => format!("one of {options}"),
        _ => return None,
    })
}

fn one_of_type(of: &str) -> String {
    match of {
        "integer" | "array" | "object" => format!("an {of}"),
        "null" => of.to_owned(),
        other => format!("a {other}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wrong(body: &Value) -> Vec<(String, String, String)> {
        let item = json!({
            "type": "object",
            "properties": { "count": { "type": "integer", "minimum": 1 } },
            "required": ["count"],
            "additionalProperties": false,
        });
        let schema = json!({
            "type": "object",
            "properties": {
                "name": { "type": "string", "minLength": 1, "maxLength": 3 },
                "id": { "type": "string", "format": "uuid" },
                "at": { "type": ["string", "null"], "format": "date-time" },
                "items": { "type": "array", "items": item, "minItems": 1 },
            },
            "required": ["name"],
            "additionalProperties": false,
        });
        let mut errors: Vec<_> = Fields::of(&schema)
            .unwrap()
            .wrong(body)
            .listed
            .into_iter()
            .map(|error| (error.pointer, error.expected, error.found))
            .collect();
        errors.sort();
        errors
    }

    #[test]
    fn every_field_that_is_wrong_is_told() {
        let body = json!({
            "id": "7", "at": 7, "items": [{ "count": 1 }, { "count": 0 }, { "count": "1" }, {}],
            "a/b": true,
        });
        let told = wrong(&body);
        let told: Vec<(&str, &str, &str)> = told
            .iter()
            .map(|(pointer, expected, found)| (&**pointer, &**expected, &**found))
            .collect();
        assert_eq!(
            told,
            [
                ("/at", "null or a string", "7"),
                ("/a~1b", "no such field", "true"),
                ("/id", "a UUID, written with hyphens", "\"7\""),
                ("/items/1/count", "a number from 1", "0"),
                ("/items/2/count", "an integer", "\"1\""),
                ("/items/3/count", "a value", "nothing"),
                ("/name", "a value", "nothing"),
            ]
        );
        assert_eq!(wrong(&json!({ "name": "abc" })), []);
        assert_eq!(wrong(&json!([]))[0].1, "an object");
        assert_eq!(wrong(&json!({ "name": "", "items": [] })).len(), 2);
    }

    #[test]
    fn a_field_counts_once_however_much_is_wrong_with_it() {
        let name = json!({ "type": "string", "maxLength": 3, "pattern": "^[a-z]*$" });
        let names = Fields::of(&json!({ "type": "array", "items": name })).unwrap();
        for (count, others) in [(1, 0), (60, 0), (MAX_ERRORS, 0), (MAX_ERRORS + 50, 50)] {
            let wrong = names.wrong(&json!(vec!["1234"; count]));
            assert_eq!((wrong.listed.len(), wrong.others.len()), (count - others, others));
            let pointers: BTreeSet<_> = wrong.listed.iter().map(|error| &error.pointer).collect();
            assert_eq!(pointers.union(&wrong.others.iter().collect()).count(), count);
        }
    }

    #[test]
    fn what_is_listed_has_a_bound() {
        let body = json!({ "name": "a", "items": vec![0; 10_000] });
        assert_eq!(wrong(&body).len(), MAX_ERRORS);
        let named = json!({ "properties": { "a": {} }, "additionalProperties": false });
        let unknown = (0..10_000).map(|n| (format!("{n}"), Value::Null));
        let unknown: Value = unknown.collect::<serde_json::Map<_, _>>().into();
        let items = json!({ "items": { "required": ["a", "b"] } });
        for (schema, body, all) in
            [(named, unknown, 10_000), (items, json!(vec![json!({}); 10_000]), 20_000)]
        {
            let Wrong { listed, others } = Fields::of(&schema).unwrap().wrong(&body);
            assert_eq!((listed.len(), others.len()), (MAX_ERRORS, all - MAX_ERRORS));
            let pointers = listed.iter().map(|error| &error.pointer).chain(&others);
            assert_eq!(pointers.collect::<BTreeSet<_>>().len(), all);
        }
        let long = json!({ "name": "ä".repeat(10_000) });
        assert!(wrong(&long)[0].2.len() < 300);
    }
}
