//! How amounts are shown to people. Everywhere else they are integers in minor units.

/// Decimals of the minor unit, where they are not two, and the currencies that have so many: those of
/// ISO 4217, List One.
const DECIMALS: [(usize, &str); 3] = [
    (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
    (4, "CLF UYW"),
];

/// The members of events and of orders that hold an amount.
pub const FIELDS: [&str; 5] = ["amount", "paid", "refunded", "total", "unit_price"];

/// Decimals of the minor unit of a currency; two where ISO 4217 has no number for the code.
pub fn decimals(currency: &str) -> usize {
    let has = |codes: &str| codes.split(' ').any(|code| code == currency);
    DECIMALS.iter().find(|&&(_, codes)| has(codes)).map_or(2, |(decimals, _)| *decimals)
}

/// So many minor units as a decimal number: 500 of EUR are `5.00`.
pub fn decimal(minor: i64, currency: &str) -> String {
    let decimals = decimals(currency);
    let digits = format!("{:0>width$}", minor.unsigned_abs(), width = decimals + 1);
    let (whole, part) = digits.split_at(digits.len() - decimals);
    let sign = if minor < 0 { "-" } else { "" };
    let point = if part.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{part}")
}

/// The same with the currency: `5.00 EUR`.
pub fn money(minor: i64, currency: &str) -> String {
    format!("{} {currency}", decimal(minor, currency))
}

#[cfg(test)]
mod tests {
    use kernel::aggregate::Aggregate as _;
    use serde_json::Value;

    use super::*;
    use crate::OrderAggregate;

    #[test]
    fn an_amount_has_the_decimals_of_its_currency() {
        for (minor, currency, shown) in [
            (500, "EUR", "5.00 EUR"),
            (5, "EUR", "0.05 EUR"),
            (0, "EUR", "0.00 EUR"),
            (-1_250, "EUR", "-12.50 EUR"),
            (500, "JPY", "500 JPY"),
            (0, "JPY", "0 JPY"),
            (125_000, "HUF", "1250.00 HUF"),
            (1_250, "KWD", "1.250 KWD"),
            (56_700, "CLF", "5.6700 CLF"),
            (1_250, "QQQ", "12.50 QQQ"),
            (i64::MAX, "EUR", "92233720368547758.07 EUR"),
            (i64::MIN, "JPY", "-9223372036854775808 JPY"),
        ] {
            assert_eq!(money(minor, currency), shown);
        }
    }

    /// The names of all members of a value that hold a number.
    fn numbers(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => members.iter().for_each(|(name, value)| {
                found.extend(value.is_number().then(|| name.clone()));
                numbers(value, found);
            }),
            Value::Array(items) => items.iter().for_each(|item| numbers(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_number_of_an_event_and_of_an_order_is_an_amount_or_a_count() {
        let contract = OrderAggregate::contract();
        let shapes = contract.events.iter().map(|event| &event.data).chain(&contract.state);
        let mut found = vec![];
        shapes.for_each(|shape| numbers(&shape.example, &mut found));
        let counts = ["quantity", "shipped", "delivered", "version"];
        let (amounts, others): (Vec<&str>, Vec<&str>) =
            found.iter().map(String::as_str).partition(|name| FIELDS.contains(name));
        assert!(FIELDS.iter().all(|field| amounts.contains(field)), "{found:?}");
        assert!(others.iter().all(|name| counts.contains(name)), "{found:?}");
    }
}
