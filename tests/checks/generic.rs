//! The pipeline is generic: the domain hands over its names, and nothing else knows them.

use super::house::all_sources;

/// Composition roots, and the operators' commands, which are about orders.
fn is_of_the_domain(name: &str) -> bool {
    name.starts_with("orders/")
        || name.starts_with("waybill/")
        || name.ends_with("/main.rs")
        || name.starts_with("xtask/")
}

#[test]
fn the_pipeline_names_no_type_of_the_domain() {
    for (name, text) in all_sources().iter().filter(|(name, _)| !is_of_the_domain(name)) {
        assert!(!text.contains("orders::"), "{name} names the domain");
    }
}

/// What is said of orders in the code of a file: neither in its comments, which may have examples, nor
/// in its tests.
fn said_of_orders(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let says = |line: &&str| {
        let line = line.to_lowercase();
        // A sequence is an order, too: "in the order of the log".
        let is_thing = |rest: &str| ![" of", " in"].iter().any(|more| rest.starts_with(more));
        let the_order = line.split("the order").skip(1).any(is_thing);
        let words = ["orders", "order-", "order_id", "an order", "customer"];
        the_order || words.iter().any(|word| line.contains(word))
    };
    lines.filter(says).map(str::to_owned).collect()
}

#[test]
fn the_pipeline_says_nothing_of_orders() {
    let may = |name: &str| {
        is_of_the_domain(name)
            // It drives the orders of this domain, as a client does.
            || name.starts_with("bench/")
            // The dashboard shows this domain: see docs/adr/0015-routes-of-the-aggregate-are-data.md.
            || name == "query-api/src/dashboard/assets.rs"
    };
    for (name, text) in all_sources().iter().filter(|(name, _)| !may(name)) {
        let said = said_of_orders(text);
        assert!(said.is_empty(), "{name} says: {said:#?}");
    }
}

#[test]
fn what_is_said_of_orders_is_found() {
    for line in [
        "let detail = \"Read the order again.\";",
        "const STREAM: &str = \"order-1\";",
        "no_route(\"orders are read elsewhere\")",
        "field(\"customer_id\")",
    ] {
        assert_eq!(said_of_orders(line), [line]);
    }
    for line in [
        "/// Such as `orders`.",
        "\"in the order of the log\"",
        "SELECT a FROM b ORDER BY c",
        "#[cfg(test)] mod tests { \"order-1\" }",
    ] {
        assert!(said_of_orders(line).is_empty(), "{line}");
    }
}
