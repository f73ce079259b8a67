//! Values that are valid because they were parsed: texts, amounts, quantities.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The largest amount or quantity of an event: integers up to here survive every JSON reader (RFC
/// 7493, section 2.2). What commands may order is far less: see `order::bounds`.
pub const MAX: i64 = (1 << 53) - 1;

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

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident($least:literal);)*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "i64", into = "i64")]
        pub struct $name(i64);

        impl $name {
            /// The number.
            pub fn get(self) -> i64 {
                self.0
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
