//! JSON that is written once, and carried as it is from there on.

use std::borrow::Cow;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

/// The text of one JSON value. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Json(Arc<RawValue>);

impl Json {
    /// Writes a value as JSON. An error when it can't be: a map whose keys are no strings, say.
    pub fn of(value: &impl Serialize) -> Result<Self, String> {
        to_raw_value(value).map(|raw| Self(raw.into())).map_err(|error| error.to_string())
    }

    /// Takes text over. An error when it is no JSON.
    pub fn parse(text: String) -> Result<Self, String> {
        RawValue::from_string(text).map(|raw| Self(raw.into())).map_err(|error| error.to_string())
    }

    /// Reads the value as a type. An error says what does not fit.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_str(self.as_str()).map_err(|error| error.to_string())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        Self::of(&value).unwrap_or_else(|_| Self(RawValue::NULL.to_owned().into()))
    }
}

/// Equal as values: white space and the order of fields do not count.
impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
            || matches!((self.read::<Value>(), other.read::<Value>()), (Ok(a), Ok(b)) if a == b)
    }
}

/// Any JSON.
impl JsonSchema for Json {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Json".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        true.into()
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|raw| Self(raw.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_carried_as_it_is_and_compared_as_a_value() {
        let json: Json = serde_json::from_str("{\"b\": 1,  \"a\": [1.50]}").unwrap();
        assert_eq!(serde_json::to_string(&json).unwrap(), "{\"b\": 1,  \"a\": [1.50]}");
        assert_eq!(json, Json::parse("{\"a\":[1.5],\"b\":1}".to_owned()).unwrap());
        assert_ne!(json, Json::from(Value::Null));
        assert!(Json::parse("{".to_owned()).is_err());
    }
}
