//! Amounts have the same decimals on the dashboard and on the command line.

use std::collections::HashMap;
use std::path::Path;

use orders::money::decimals;

const SCRIPT: &str = "../query-api/assets/js/money.js";

/// Currencies with other decimals than two, as the script of the dashboard has them: `[0, "BIF CLP"], …`.
fn of_the_dashboard(script: &str) -> HashMap<&str, usize> {
    let (_, table) = script.split_once("const DECIMALS = new Map([").unwrap();
    let (table, _) = table.split_once("].flatMap").unwrap();
    let mut known = HashMap::new();
    for row in table.split('[').skip(1) {
        let (digits, row) = row.split_once(", \"").unwrap();
        let (codes, _) = row.split_once('"').unwrap();
        for code in codes.split(' ') {
            known.insert(code, digits.parse::<usize>().unwrap());
        }
    }
    known
}

#[test]
fn the_dashboard_and_the_command_line_show_the_same_decimals() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(SCRIPT);
    let script = std::fs::read_to_string(path).unwrap();
    let known = of_the_dashboard(&script);
    assert_eq!((known.get("JPY"), known.get("UYW"), known.get("EUR")), (Some(&0), Some(&4), None));
    for first in 'A'..='Z' {
        for second in 'A'..='Z' {
            for third in 'A'..='Z' {
                let code = String::from_iter([first, second, third]);
                let expected = known.get(code.as_str()).copied().unwrap_or(2);
                assert_eq!(decimals(&code), expected, "{code}");
            }
        }
    }
}
