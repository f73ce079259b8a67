//! What services tell of orders, as text for people: names with what is told by each.

use orders::money;
use serde_json::Value;

use crate::output::{plain, text};

/// Some members of an object, each by the name that it is shown by. Those that are not told are left out.
pub fn of(value: &Value, fields: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    let told = fields.iter().map(|(name, field)| (*name, &value[*field]));
    told.filter(|(_, value)| !value.is_null()).map(|(name, value)| (name, text(value))).collect()
}

/// An amount as a decimal number, without its currency; what is no amount as it is.
pub fn decimal(value: &Value, currency: &str) -> String {
    value.as_i64().map_or_else(|| text(value), |minor| money::decimal(minor, currency))
}

/// All members of an object, each by its name; of a list, each item by itself. Amounts have the decimals of
/// `currency`, and are told to be in minor units where that is not known.
pub fn members(value: &Value, currency: Option<&str>) -> Vec<(String, String)> {
    let Value::Object(members) = value else { return vec![(String::new(), text(value))] };
    let mut told = vec![];
    for (name, value) in members {
        let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        // The first one stands behind the name, and all others below it.
        let names = std::iter::once(plain(name)).chain(std::iter::repeat(String::new()));
        told.extend(names.zip(items.iter().map(|item| inline(name, item, currency))));
    }
    told
}

/// What a member of this name holds, on one line.
fn inline(name: &str, value: &Value, currency: Option<&str>) -> String {
    match value {
        Value::Object(members) => {
            let told = members
                .iter()
                .map(|(name, value)| format!("{} {}", plain(name), inline(name, value, currency)));
            told.collect::<Vec<_>>().join(", ")
        }
        Value::Array(items) => {
            let told = items.iter().map(|item| inline(name, item, currency));
            told.collect::<Vec<_>>().join(", ")
        }
        Value::Number(number) if money::FIELDS.contains(&name) => {
            match (number.as_i64(), currency) {
                (Some(minor), Some(currency)) => money::money(minor, currency),
                _ => format!("{number} minor units"),
            }
        }
        _ => text(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is told, each as a line.
    fn lines(value: &Value, currency: Option<&str>) -> Vec<String> {
        let told = members(value, currency);
        told.iter().map(|(name, told)| format!("{name}: {told}")).collect()
    }

    #[test]
    fn members_are_text_with_an_item_on_each_line() {
        let data = json!({
            "currency": "EUR",
            "items": [{ "sku": "A\u{1b}" }, { "sku": "B", "unit_price": 0 }],
            "none": [],
        });
        let expected = ["currency: EUR", "items: sku A\u{fffd}", ": sku B, unit_price 0.00 EUR"];
        assert_eq!(lines(&data, Some("EUR")), expected);
        assert_eq!(lines(&json!({}), None), [""; 0]);
        assert_eq!(lines(&json!("text"), None), [": text"]);
        assert_eq!(lines(&json!({ "a": { "b": [1, [2], null] } }), None), ["a: b 1, 2, null"]);
    }

    #[test]
    fn amounts_are_told_from_other_numbers_and_have_decimals_where_the_currency_is_known() {
        let amount = json!({ "amount": 1_250 });
        assert_eq!(lines(&amount, Some("EUR")), ["amount: 12.50 EUR"]);
        assert_eq!(lines(&amount, Some("JPY")), ["amount: 1250 JPY"]);
        assert_eq!(lines(&amount, None), ["amount: 1250 minor units"]);
        assert_eq!(lines(&json!({ "amount": "x" }), Some("EUR")), ["amount: x"]);
        assert_eq!(lines(&json!({ "quantity": 1_250 }), Some("EUR")), ["quantity: 1250"]);
    }
}
