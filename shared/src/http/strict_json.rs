//! JSON in which no object has a key twice. Of two values it would be left to chance which one is
//! meant, and a proxy may choose the other (RFC 7493, section 2.3).

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// An error of the category `Data` is about such a key, and names it.
pub fn read(json: &[u8]) -> Result<Value, serde_json::Error> {
    let Strict(value) = serde_json::from_slice(json)?;
    Ok(value)
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut values = vec![];
        while let Some(Strict(value)) = elements.next_element()? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!("{key:?} comes twice")));
            }
            let Strict(value) = fields.next_value()?;
            object.insert(key, value);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_comes_twice_is_refused_at_any_depth() {
        for (json, key) in [
            (r#"{"a": 1, "b": 2, "a": 1}"#, "\"a\""),
            (r#"[{"x": {"y": [0, {"deep": 1, "deep": 2}]}}]"#, "\"deep\""),
            (r#"{"a": 1, "\u0061": 2}"#, "\"a\""),
            (r#"{"": 1, "": 2}"#, "\"\""),
        ] {
            let error = read(json.as_bytes()).unwrap_err();
            assert!(error.is_data() && error.to_string().contains(&format!("{key} comes twice")));
        }
    }

    #[test]
    fn all_other_json_is_read_as_it_is() {
        let json = r#"{"a": [1, -1, 1.5, 1e300, true, null, "ä\n"], "b": {"a": {}}, "c": 18446744073709551615}"#;
        let value: Value = serde_json::from_str(json).unwrap();
        assert_eq!(read(json.as_bytes()).unwrap(), value);
        for no_json in ["{", "1 2", "", "{\"a\":}", "1e999", &"[".repeat(100_000)] {
            assert!(!read(no_json.as_bytes()).unwrap_err().is_data());
        }
    }
}
