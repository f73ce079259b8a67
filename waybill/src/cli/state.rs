//! `waybill state`.

use clap::Args;
use http::Method;
use serde_json::Value;

use super::services::CommandApi;
use super::{answer, facts};
use crate::client::{BearerToken, encode};
use crate::outcome;
use crate::output::{Format, Output, Table, left, right, text};

pub const HELP: &str = "\
Examples:
  # As it is in the log, without waiting for any view
  waybill state 8971c9bb-11d6-41f2-9039-b5d18ab03b46

  # As it was
  waybill state 8971c9bb-11d6-41f2-9039-b5d18ab03b46 --version 2
  waybill state 8971c9bb-11d6-41f2-9039-b5d18ab03b46 --at 2026-01-02T03:04:05+01:00

  # For programs: its status alone
  waybill state 8971c9bb-11d6-41f2-9039-b5d18ab03b46 --json | jq -r .status

Amounts have the decimals of the currency; with --json they are in its minor units.";

#[derive(Debug, Args)]
pub struct Arguments {
    /// The id of the order
    order: String,
    /// As it was at this version, from 1
    #[arg(long, conflicts_with = "at", value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    version: Option<i64>,
    /// As it was at this time: RFC 3339, such as 2026-01-02T03:04:05Z
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    command_api: CommandApi,
}

impl Arguments {
    pub async fn run(self, token: &BearerToken) -> outcome::Result {
        let until = match (self.version, &self.at) {
            (Some(version), _) => format!("?version={version}"),
            (None, Some(at)) => format!("?at={}", encode(at)),
            (None, None) => String::new(),
        };
        let path = format!("/orders/{}/state{until}", encode(&self.order));
        let client = self.command_api.client(token);
        let answer = client.send(Method::GET, &path, &[], "").await?;
        answer::print(&answer, &mut self.format.output(), |state, output| match output.is_json() {
            true => output.document(state),
            false => show(state, output),
        })
    }
}

/// What is told of the order as a whole, each on a line of its own.
const FACTS: [(&str, &str); 6] = [
    ("order", "order_id"),
    ("customer", "customer_id"),
    ("status", "status"),
    ("version", "version"),
    ("placed", "placed_at"),
    ("updated", "updated_at"),
];

fn show(state: &Value, output: &mut Output) -> std::io::Result<()> {
    output.facts("", &whole(state))?;
    output.line("")?;
    output.table(&items(state))
}

fn whole(state: &Value) -> Vec<(&'static str, String)> {
    let currency = text(&state["currency"]);
    let sum = |name: &'static str| {
        (name, format!("{} {currency}", facts::decimal(&state[name], &currency)))
    };
    let mut told = facts::of(state, &FACTS);
    told.extend(["total", "paid", "refunded"].map(sum));
    told
}

fn items(state: &Value) -> Table {
    let mut table = Table::new(&[
        left("SKU"),
        left("NAME"),
        right("QUANTITY"),
        right("UNIT PRICE"),
        right("SHIPPED"),
        right("DELIVERED"),
    ]);
    let currency = text(&state["currency"]);
    for item in state["items"].as_array().into_iter().flatten() {
        let [sku, name] = ["sku", "name"].map(|field| text(&item[field]));
        let price = facts::decimal(&item["unit_price"], &currency);
        let [quantity, shipped, delivered] =
            ["quantity", "shipped", "delivered"].map(|field| &item[field]);
        table.row([&sku, &name, quantity, &price, shipped, delivered]);
    }
    table
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn amounts_have_the_decimals_of_their_currency() {
        for (currency, total, paid, price) in
            [("EUR", "5.00 EUR", "0.07 EUR", "2.50"), ("JPY", "500 JPY", "7 JPY", "250")]
        {
            let state = json!({
                "order_id": "o\u{1b}", "currency": currency, "total": 500, "paid": 7, "refunded": 0,
                "items": [{ "sku": "A", "name": "Lamp", "quantity": 2, "unit_price": 250, "shipped": 1 }],
            });
            let whole = whole(&state);
            for fact in [("order", "o\u{fffd}"), ("total", total), ("paid", paid)] {
                assert!(
                    whole.iter().any(|(name, told)| (*name, told.as_str()) == fact),
                    "{whole:?}"
                );
            }
            let items = items(&state).to_string();
            let row: Vec<&str> = items.lines().nth(1).unwrap().split_whitespace().collect();
            assert_eq!(row[..5], ["A", "Lamp", "2", price, "1"], "{items}");
        }
    }
}
