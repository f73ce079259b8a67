//! Reads commands from a file: NDJSON, or CSV with one row per command (see docs/reference/import.md).

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::Path;

use kernel::{Failure, Result};
use serde_json::{Map, Value, json};

/// A command of the file, or its text where it is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// From 1; of the first line, where a command has several.
    pub line: u64,
    /// Of any form: the service says whether it is a command.
    pub command: std::result::Result<Value, String>,
}

/// The commands of a file, in its order.
pub type Rows = Box<dyn Iterator<Item = Row>>;

/// Bytes of the longest line that is read; a command may have 64 KiB.
const MAX_LINE: usize = 1 << 20;
const TOO_LONG: &str = "the line has more than 1 MiB";

/// The rows of a file, by its extension.
pub fn rows(file: &Path) -> Result<Rows> {
    let what = format!("reading {}", file.display());
    let open = || File::open(file).map_err(|error| Failure::permanent(&what, error));
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => csv(open()?, &what),
        Some("ndjson" | "jsonl") => Ok(ndjson(open()?)),
        _ => Err(Failure::permanent(&what, "expected a file named .ndjson, .jsonl or .csv")),
    }
}

/// One command on each line. A file that can't be read further ends with a row that says so.
pub fn ndjson(file: impl Read + 'static) -> Rows {
    let lines = Lines { reader: BufReader::new(file), number: 0, is_broken: false };
    Box::new(lines.filter_map(|(line, text)| {
        let text = text.map(|text| String::from_utf8_lossy(&text).into_owned());
        let text = text.map(|text| text.trim_start_matches('\u{feff}').to_owned());
        let command = match text {
            Ok(text) if text.trim().is_empty() => return None,
            Ok(text) => shared::http::strict_json::read(text.as_bytes()).map_err(|_| text),
            Err(why) => Err(why),
        };
        Some(Row { line, command })
    }))
}

/// Lines in bounded memory, from 1: of one that is too long the rest is passed over.
struct Lines<R> {
    reader: BufReader<R>,
    number: u64,
    is_broken: bool,
}

impl<R: Read> Iterator for Lines<R> {
    type Item = (u64, std::result::Result<Vec<u8>, String>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_broken {
            return None;
        }
        self.number += 1;
        let mut line = vec![];
        let mut read = || {
            self.reader.by_ref().take(MAX_LINE as u64 + 1).read_until(b'\n', &mut line)?;
            let is_long = line.len() > MAX_LINE;
            if is_long && !line.ends_with(b"\n") {
                self.reader.skip_until(b'\n')?;
            }
            Ok::<_, io::Error>(is_long)
        };
        match read() {
            Ok(true) => Some((self.number, Err(TOO_LONG.to_owned()))),
            Ok(false) if line.is_empty() => None,
            Ok(false) => {
                line.pop_if(|last| *last == b'\n');
                Some((self.number, Ok(line)))
            }
            Err(error) => {
                self.is_broken = true;
                Some((self.number, Err(error.to_string())))
            }
        }
    }
}

/// Ends with an error where a line is too long.
struct Bounded<R> {
    file: R,
    since_line: usize,
    is_broken: bool,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_broken {
            return Ok(0);
        }
        let read = self.file.read(buffer)?;
        self.since_line = match buffer[..read].iter().rposition(|byte| *byte == b'\n') {
            Some(at) => read - 1 - at,
            None => self.since_line + read,
        };
        self.is_broken = self.since_line > MAX_LINE;
        if self.is_broken { Err(io::Error::other(TOO_LONG)) } else { Ok(read) }
    }
}

/// Columns with whole numbers; all others hold text.
const NUMBERS: [&str; 3] = ["quantity", "unit_price", "amount"];
/// Columns of an item, which `CreateOrder`, `ShipProducts` and `DeliverProducts` hold in `items`.
const ITEM: [&str; 4] = ["sku", "name", "quantity", "unit_price"];
const WITH_ITEMS: [&str; 3] = ["CreateOrder", "ShipProducts", "DeliverProducts"];

/// Items of one order; more of them make a command that is refused for its size.
const MAX_ITEMS: usize = 2_000;

/// One command in each row, but for items of an order that is created.
pub fn csv(file: impl Read + 'static, what: &str) -> Result<Rows> {
    let file = Bounded { file, since_line: 0, is_broken: false };
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
        let mut is_too_large = false;
        // Rows of `CreateOrder` that follow with the same order are further items of it.
        while let Some(Ok((_, next))) = records.peek()
            && continues(&command, next)
            && let Some(Ok((_, next))) = records.next()
        {
            if let (Some(Value::Array(items)), Some(Value::Array(more))) =
                (command.get_mut("items"), next.get("items"))
            {
                is_too_large |= items.len() >= MAX_ITEMS;
                items.extend(more.iter().filter(|_| !is_too_large).cloned());
            }
        }
        let too_large = || format!("the order has more than {MAX_ITEMS} rows");
        let command = if is_too_large { Err(too_large()) } else { Ok(Value::Object(command)) };
        Some(Row { line, command })
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

    #[test]
    fn lines_and_orders_without_an_end_take_no_more_memory_than_a_row_may() {
        let long = || io::repeat(b'x').take(3 * MAX_LINE as u64);
        let told: Vec<Row> = ndjson(long().chain(&b"\n{}\n"[..])).collect();
        let row = |line, command: std::result::Result<Value, &str>| Row {
            line,
            command: command.map_err(str::to_owned),
        };
        assert_eq!(told, [row(1, Err(TOO_LONG)), row(2, Ok(json!({})))]);
        let header = b"type,order_id,sku\n".as_slice();
        let told: Vec<Row> = csv(header.chain(long()), "reading").unwrap().collect();
        assert!(matches!(&told[..], [Row { command: Err(why), .. }] if why.contains(TOO_LONG)));
        let rows = |count| b"CreateOrder,o,A\n".repeat(count);
        let read = |count| csv(header.chain(io::Cursor::new(rows(count))), "reading").unwrap();
        let told: Vec<Row> = read(10 * MAX_ITEMS).collect();
        assert!(matches!(&told[..], [Row { line: 2, command: Err(why) }] if why.contains("2000")));
        assert!(read(MAX_ITEMS).all(|row| row.command.is_ok()));
    }
}
