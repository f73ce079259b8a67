//! Values that are valid because they were parsed: texts, amounts, quantities.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// The largest amount or quantity of an event: integers up to here survive every JSON reader (RFC
/// 7493, section 2.2). What commands may order is far less: see `order::bounds`.
pub const MAX: i64 = (1 << 53) - 1;

/// Text without control characters, in the words of every dialect of regular expressions.
const NO_CONTROL: &str = r"^[^\x00-\x1f\x7f-\x9f]*$";

macro_rules! schema {
    ($name:ident, $schema:expr) => {
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident($longest:literal);)*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Takes a text that fits; the error says what was expected.
            pub fn parse(text: &str) -> Result<Self, String> {
                Self::try_from(text.to_owned())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                let length = text.chars().count();
                if (1..=$longest).contains(&length) && !text.chars().any(char::is_control) {
                    return Ok(Self(text));
                }
                Err(format!(
                    "expected 1 to {} characters, none of them a control character, got {length}",
                    $longest
                ))
            }
        }

        schema!($name, json_schema!({
            "type": "string", "minLength": 1, "maxLength": $longest, "pattern": NO_CONTROL,
        }));

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )* };
}

texts! {
    /// A customer, as the shop names its customers.
    CustomerId(128);
    /// Stock keeping unit: what kind of product an item is.
    Sku(64);
    /// What people call a product.
    Name(200);
    /// A reason, a reference, a carrier, a tracking number.
    Note(500);
}

/// ISO 4217: three capital letters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(String);

impl Currency {
    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Currency {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Ok(Self(text));
        }
        Err(format!("expected a currency code of ISO 4217, such as EUR, got {text:?}"))
    }
}

schema!(Currency, json_schema!({ "type": "string", "pattern": "^[A-Z]{3}$" }));

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.0
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A whole number, as JSON has them: `2`, and `2.0` just as well (JSON Schema, `integer`).
struct Whole(i64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WholeVisitor)
    }
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = Whole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Whole, E> {
        Ok(Whole(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Whole, E> {
        let invalid = || E::invalid_value(Unexpected::Unsigned(number), &self);
        number.try_into().map(Whole).map_err(|_| invalid())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Whole, E> {
        // Every whole number up to MAX is a number of this type, and is converted as it is.
        let fits = number.fract() == 0.0 && number.abs() <= MAX as f64;
        let invalid = || E::invalid_type(Unexpected::Float(number), &self);
        fits.then_some(Whole(number as i64)).ok_or_else(invalid)
    }
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident($least:literal);)*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "Whole", into = "i64")]
        pub struct $name(i64);

        impl $name {
            /// The number.
            pub fn get(self) -> i64 {
                self.0
            }
        }

        impl TryFrom<Whole> for $name {
            type Error = String;

            fn try_from(Whole(number): Whole) -> Result<Self, String> {
                Self::try_from(number)
            }
        }

        impl TryFrom<i64> for $name {
            type Error = String;

            fn try_from(number: i64) -> Result<Self, String> {
                if ($least..=MAX).contains(&number) {
                    return Ok(Self(number));
                }
                Err(format!("expected an integer from {} to {MAX}, got {number}", $least))
            }
        }

        schema!($name, json_schema!({ "type": "integer", "minimum": $least, "maximum": MAX }));

        impl From<$name> for i64 {
            fn from(number: $name) -> Self {
                number.0
            }
        }
    )* };
}

numbers! {
    /// In minor units of the order's currency; may be 0.
    Price(0);
    /// In minor units of the order's currency.
    Amount(1);
    /// Units of a product.
    Quantity(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_may_be_written_with_a_fraction_of_zero() {
        let read = |text: &str| serde_json::from_str::<Amount>(text).ok().map(Amount::get);
        for (text, number) in [("2", 2), ("2.0", 2), ("2e3", 2_000), ("9007199254740991", MAX)] {
            assert_eq!(read(text), Some(number), "{text}");
        }
        for bad in [
            "0",
            "0.0",
            "-1",
            "1.5",
            "9007199254740992",
            "9007199254740992.0",
            "1e300",
            "\"2\"",
            "null",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
