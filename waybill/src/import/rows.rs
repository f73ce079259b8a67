//! Reads commands from a file: NDJSON, or CSV with one row per command (see docs/reference/import.md).

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use kernel::{Failure, Result};
use serde_json::{Map, Value, json};

/// A command of the file, or its text where it is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// From 1; of the first line, where a command has several.
    pub line: u64,
    pub command: std::result::Result<Value, String>,
}

type Rows = Box<dyn Iterator<Item = Row>>;

pub fn rows(file: &Path) -> Result<Rows> {
    let what = format!("reading {}", file.display());
    let open = || File::open(file).map_err(|error| Failure::permanent(&what, error));
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => csv(open()?, &what),
        Some("ndjson" | "jsonl") => Ok(ndjson(open()?)),
        _ => Err(Failure::permanent(&what, "expected a file named .ndjson, .jsonl or .csv")),
    }
}

fn ndjson(file: File) -> Rows {
    let lines = BufReader::new(file).split(b'\n').zip(1..);
    // A file that can't be read further ends with a row that says so.
    let lines = lines.scan(false, |broken, (line, number)| {
        let ended = std::mem::replace(broken, line.is_err());
        (!ended).then_some((line, number))
    });
    let read = |(line, number): (std::io::Result<Vec<u8>>, u64)| {
        let text =
            line.map_or_else(|e| e.to_string(), |line| String::from_utf8_lossy(&line).into_owned());
        let text = text.trim_start_matches('\u{feff}').to_owned();
        let command = shared::http::strict_json::read(text.as_bytes()).map_err(|_| text.clone());
        (!text.trim().is_empty()).then_some(Row { line: number, command })
    };
    Box::new(lines.filter_map(read))
}

/// Columns with whole numbers; all others hold text.
const NUMBERS: [&str; 3] = ["quantity", "unit_price", "amount"];
/// Columns of an item, which `CreateOrder`, `ShipProducts` and `DeliverProducts` hold in `items`.
const ITEM: [&str; 4] = ["sku", "name", "quantity", "unit_price"];
const WITH_ITEMS: [&str; 3] = ["CreateOrder", "ShipProducts", "DeliverProducts"];

fn csv(file: File, what: &str) -> Result<Rows> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
    let headers = reader.headers().map_err(|error| Failure::permanent(what, error))?.clone();
    let records = reader.into_records().map(move |record| {
        let record = record
            .map_err(|error| (error.position().map_or(0, csv::Position::line), error.to_string()));
        record.map(|record| {
            let line = record.position().map_or(0, csv::Position::line);
            (line, fields(&headers, &record))
        })
    });
    let mut records = records.peekable();
    Ok(Box::new(std::iter::from_fn(move || {
        let (line, mut command) = match records.next()? {
            Ok(record) => record,
            Err((line, text)) => return Some(Row { line, command: Err(text) }),
        };
        // Rows of `CreateOrder` that follow with the same order are further items of it.
        while let Some(Ok((_, next))) = records.peek()
            && continues(&command, next)
            && let Some(Ok((_, next))) = records.next()
        {
            if let (Some(Value::Array(items)), Some(Value::Array(more))) =
                (command.get_mut("items"), next.get("items"))
            {
                items.extend(more.iter().cloned());
            }
        }
        Some(Row { line, command: Ok(Value::Object(command)) })
    })))
}

fn continues(command: &Map<String, Value>, next: &Map<String, Value>) -> bool {
    let same = |field: &str| command.contains_key(field) && command.get(field) == next.get(field);
    next.get("type") == Some(&json!("CreateOrder")) && same("type") && same("order_id")
}

fn fields(headers: &csv::StringRecord, record: &csv::StringRecord) -> Map<String, Value> {
    let kind = headers.iter().position(|name| name == "type").and_then(|at| record.get(at));
    let nests = kind.is_some_and(|kind| WITH_ITEMS.contains(&kind));
    let (mut command, mut item) = (Map::new(), Map::new());
    for (name, text) in headers.iter().zip(record).filter(|(_, text)| !text.is_empty()) {
        let number = NUMBERS.contains(&name).then(|| text.parse::<i64>().ok()).flatten();
        let value = number.map_or_else(|| json!(text), |number| json!(number));
        let into = if nests && ITEM.contains(&name) { &mut item } else { &mut command };
        into.insert(name.to_owned(), value);
    }
    if !item.is_empty() {
        command.insert("items".to_owned(), json!([item]));
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Vec<Row> {
        let file = std::env::temp_dir().join(format!("waybill-rows-{}-{name}", std::process::id()));
        std::fs::write(&file, text).expect("a temporary file");
        let read = rows(&file).expect("a known extension").collect();
        std::fs::remove_file(&file).expect("a temporary file");
        read
    }

    #[test]
    fn each_line_of_ndjson_is_a_command_and_what_is_none_keeps_its_text() {
        let rows = read("a.ndjson", "\u{feff}{\"type\":\"CancelOrder\"}\n\nnonsense\n");
        let expected = [
            Row { line: 1, command: Ok(json!({ "type": "CancelOrder" })) },
            Row { line: 3, command: Err("nonsense".to_owned()) },
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn rows_of_csv_that_create_the_same_order_are_its_items_and_every_other_row_is_a_command() {
        let rows = read(
            "b.csv",
            "type,order_id,customer_id,sku,quantity,unit_price,amount\nCreateOrder,o,c,A,1,100,\nCreateOrder,o,c,B,2,5,\n\
             ProcessPayment,o,,,,,110\nShipProducts,o,,A,1,,\nShipProducts,o,,B,2,,\n",
        );
        let item = |sku: &str, quantity, price| json!({ "sku": sku, "quantity": quantity, "unit_price": price });
        let expected = [
            json!({ "type": "CreateOrder", "order_id": "o", "customer_id": "c", "items": [item("A", 1, 100), item("B", 2, 5)] }),
            json!({ "type": "ProcessPayment", "order_id": "o", "amount": 110 }),
            json!({ "type": "ShipProducts", "order_id": "o", "items": [{ "sku": "A", "quantity": 1 }] }),
            json!({ "type": "ShipProducts", "order_id": "o", "items": [{ "sku": "B", "quantity": 2 }] }),
        ];
        let commands: Vec<Value> =
            rows.into_iter().map(|row| row.command.expect("a command")).collect();
        assert_eq!(commands, expected);
    }
}
