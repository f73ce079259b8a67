//! The comparison as text for a terminal, and as Markdown for documents.

use std::fmt::Write as _;

use super::outcome::{Flow, Outcome};
use crate::results::Entry;
use crate::stats::Spread;
use crate::table::write_cpu;

/// All tables of a run.
pub fn text(outcome: &Outcome) -> String {
    let mut text = String::new();
    // Writing to a String never fails; the same below.
    write_text(&mut text, outcome).ok();
    text
}

fn write_text(text: &mut String, outcome: &Outcome) -> std::fmt::Result {
    writeln!(text, "{}\n{}", about(outcome), versions(outcome))?;
    writeln!(text, "\nMedian (min..max) of the rounds; p50 and p99 are medians.\n")?;
    let columns = ["commands/s", "p50 ms", "p99 ms", "CPU µs", "Waybill is"];
    let [rate, p50, p99, cpu, ratio] = columns;
    writeln!(text, "{:<20} {rate:>26} {p50:>8} {p99:>8} {cpu:>8} {ratio:>20}", "")?;
    for flow in &outcome.flows {
        for (entry, ratio) in flow.entries() {
            let ratio = ratio.map(|it| times(it, "..")).unwrap_or_default();
            let (rate, cpu) = (rate_of(entry.value, ".."), entry.cpu_sum());
            let [p50, p99] = latencies(entry).map(|value| format!("{value:.1}"));
            let name = &entry.name;
            writeln!(text, "{name:<20} {rate:>26} {p50:>8} {p99:>8} {cpu:>8.0} {ratio:>20}")?;
        }
    }
    let entries = outcome.flows.iter().flat_map(Flow::entries).map(|(entry, _)| entry);
    write_cpu(text, &entries.collect::<Vec<_>>())
}

/// A table for the README, and one of CPU time by process.
pub fn markdown(outcome: &Outcome) -> String {
    let mut text = String::new();
    write_markdown(&mut text, outcome).ok();
    text
}

fn write_markdown(text: &mut String, outcome: &Outcome) -> std::fmt::Result {
    writeln!(text, "{}\n{}\n", about(outcome), versions(outcome))?;
    writeln!(text, "| load | | commands/s | p50 | p99 | CPU a command | Waybill's rate to it |")?;
    writeln!(text, "|---|---|---|---|---|---|---|")?;
    for flow in &outcome.flows {
        for (entry, ratio) in flow.entries() {
            let load = if ratio.is_none() && is_waybill(entry, flow) { &flow.name } else { "" };
            let load = if load.is_empty() { String::new() } else { format!("`{load}`") };
            let [p50, p99] = latencies(entry);
            writeln!(
                text,
                "| {load} | {} | {} | {p50:.0} ms | {p99:.0} ms | {:.0} µs | {} |",
                system(entry, flow),
                rate_of(entry.value, "–"),
                entry.cpu_sum(),
                ratio.map(|it| times(it, "–")).unwrap_or_default(),
            )?;
        }
    }
    writeln!(text, "\n| CPU, µs a command | |\n|---|---|")?;
    for flow in &outcome.flows {
        for (entry, _) in flow.entries() {
            let parts = entry.cpu.iter().map(|(name, micros)| format!("{name} {micros:.0}"));
            let parts = parts.collect::<Vec<_>>().join(", ");
            writeln!(text, "| `{}`, {} | {parts} |", flow.name, system(entry, flow))?;
        }
    }
    Ok(())
}

fn is_waybill(entry: &Entry, flow: &Flow) -> bool {
    entry.name == flow.name
}

/// `cqrs-es-create-256` without the name of the load; Waybill's scenarios have no other name.
fn system<'a>(entry: &'a Entry, flow: &Flow) -> &'a str {
    match entry.name.strip_suffix(&format!("-{}", flow.name)) {
        Some(peer) => peer,
        None => "Waybill",
    }
}

fn about(outcome: &Outcome) -> String {
    let machine = &outcome.machine;
    format!(
        "{}: {} clients, {} rounds of {} s, {} build; {} cores ({}), {:.0} GiB, Linux {}.",
        outcome.date,
        outcome.clients,
        outcome.rounds,
        outcome.seconds,
        outcome.profile,
        machine.cores,
        machine.processor,
        machine.memory_gib,
        machine.kernel
    )
}

fn versions(outcome: &Outcome) -> String {
    let versions = &outcome.versions;
    format!(
        "cqrs-es {} on PostgreSQL {}; Emmett {} on Node.js {} and MongoDB {}.",
        versions.cqrs_es, versions.postgresql, versions.emmett, versions.node, versions.mongodb
    )
}

fn latencies(entry: &Entry) -> [f64; 2] {
    ["p50_ms", "p99_ms"].map(|name| entry.more.get(name).copied().unwrap_or_default())
}

/// Whole numbers: `7,867 (7,397–8,911)`.
fn rate_of(spread: Spread, to: &str) -> String {
    let Spread { median, min, max } = spread;
    format!("{} ({}{to}{})", thousands(median), thousands(min), thousands(max))
}

fn times(spread: Spread, to: &str) -> String {
    let Spread { median, min, max } = spread;
    format!("{median:.2}× ({min:.2}{to}{max:.2})")
}

fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::outcome::tests::outcome;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let grouped = [0.0, 999.4, 1_000.0, 1_234_567.0].map(thousands);
        assert_eq!(grouped, ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn each_system_has_a_line_with_waybills_ratio_to_it() {
        let table = markdown(&outcome());
        for line in [
            "| `create-256` | Waybill | 1,000 (1,000–1,000) |",
            "|  | cqrs-es | 1,000 (1,000–1,000) |",
            "|  | emmett | 1,000",
            "| 2.00× (2.00–2.00) |",
            "| `create-256`, emmett | load 5, mongod 10 |",
        ] {
            assert!(table.contains(line), "{line}: {table}");
        }
        let text = text(&outcome());
        let line = text.lines().find(|line| line.starts_with("cqrs-es-create-256"));
        assert!(line.is_some_and(|line| line.ends_with("2.00× (2.00..2.00)")), "{text}");
    }
}
