//! What services tell of orders, as text for people: names with what is told by each.

use orders::money;
use serde_json::Value;

use crate::output::text;

/// Some members of an object, each by the name that it is shown by. Those that are not told are left out.
pub fn of(value: &Value, fields: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    let told = fields.iter().map(|(name, field)| (*name, &value[*field]));
    told.filter(|(_, value)| !value.is_null()).map(|(name, value)| (name, text(value))).collect()
}

/// An amount as a decimal number, without its currency; what is no amount as it is.
pub fn decimal(value: &Value, currency: &str) -> String {
    value.as_i64().map_or_else(|| text(value), |minor| money::decimal(minor, currency))
}
