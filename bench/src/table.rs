//! The results as text.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::results::{Entry, Results};
use crate::scenario::Unit;
use crate::stats::Spread;

/// Columns of the table of CPU time, from the client to the views.
const ORDER: [&str; 15] = [
    "load",
    "loop",
    "command-api",
    "api",
    "cqrs-es",
    "emmett",
    "PostgreSQL",
    "mongod",
    "RabbitMQ",
    "projector",
    "worker",
    "Redis",
    "query-api",
    "query",
    "other",
];

/// All tables of a run.
pub fn render(results: &Results) -> String {
    let mut text = String::new();
    // Writing to a String never fails.
    write_all(&mut text, results).ok();
    text
}

fn write_all(text: &mut String, results: &Results) -> std::fmt::Result {
    let machine = &results.machine;
    writeln!(
        text,
        "{}  {} cores, {}, {:.0} GiB, Linux {}; {} rounds of {} s, {} build",
        results.date,
        machine.cores,
        machine.processor,
        machine.memory_gib,
        machine.kernel,
        results.rounds,
        results.seconds,
        results.profile
    )?;
    writeln!(
        text,
        "\nMedian (min..max) of the rounds; a ratio of 1 is as good as the yardstick.\n"
    )?;
    writeln!(
        text,
        "{:<14} {:>26}   {:<14} {:>26}   {:>20} {:>8}",
        "scenario", "Waybill", "yardstick", "", "ratio", "bar"
    )?;
    for entry in results.entries.iter().filter(|entry| !is_yardstick(entry)) {
        let yardstick = entry.yardstick.as_deref();
        let found = yardstick.and_then(|name| results.entry(name));
        let measured = found.map(|found| value(found.value, found.unit)).unwrap_or_default();
        writeln!(
            text,
            "{:<14} {:>26}   {:<14} {:>26}   {:>20} {:>8}",
            entry.name,
            value(entry.value, entry.unit),
            yardstick.unwrap_or_default(),
            measured,
            entry.ratio.map(ratio).unwrap_or_default(),
            bar(entry)
        )?;
    }
    write_cpu(text, &results.entries.iter().collect::<Vec<_>>())?;
    write_more(text, results)
}

/// The least ratio, or the greatest value, that is asked for; with `!` where it is missed.
fn bar(entry: &Entry) -> String {
    let mark = |is_missed| if is_missed { "!" } else { " " };
    if let Some(ceiling) = entry.ceiling {
        return format!("<={ceiling}{}{}", entry.unit.symbol(), mark(entry.exceeds()));
    }
    let missed = |bar: f64| entry.ratio.is_some_and(|ratio| ratio.median < bar);
    entry.bar.map(|bar| format!("{bar:.2}{}", mark(missed(bar)))).unwrap_or_default()
}

/// Yardsticks are compared with nothing.
fn is_yardstick(entry: &Entry) -> bool {
    entry.name.starts_with("raw-")
}

/// CPU time by process, of those entries that have some.
pub fn write_cpu(text: &mut String, entries: &[&Entry]) -> std::fmt::Result {
    let with: Vec<&Entry> = entries.iter().filter(|it| !it.cpu.is_empty()).copied().collect();
    let named: BTreeSet<&str> =
        with.iter().flat_map(|entry| entry.cpu.keys().map(String::as_str)).collect();
    let columns: Vec<&str> = ORDER.into_iter().filter(|name| named.contains(name)).collect();
    if columns.is_empty() {
        return Ok(());
    }
    writeln!(text, "\nCPU, in microseconds per command, request or event.\n")?;
    let width = with.iter().map(|entry| entry.name.len()).max().unwrap_or(0).max(14);
    write!(text, "{:<width$}", "")?;
    for name in &columns {
        write!(text, " {name:>11}")?;
    }
    writeln!(text, " {:>8}", "sum")?;
    for entry in with {
        write!(text, "{:<width$}", entry.name)?;
        for name in &columns {
            match entry.cpu.get(*name) {
                Some(micros) => write!(text, " {micros:>11.1}")?,
                None => write!(text, " {:>11}", "")?,
            }
        }
        writeln!(text, " {:>8.1}", entry.cpu_sum())?;
    }
    Ok(())
}

fn write_more(text: &mut String, results: &Results) -> std::fmt::Result {
    writeln!(text, "\nWhat else was seen (medians).\n")?;
    for entry in results.entries.iter().filter(|entry| !entry.more.is_empty()) {
        write!(text, "{:<14}", entry.name)?;
        for (name, number) in &entry.more {
            write!(text, " {name}={}", short(*number))?;
        }
        writeln!(text)?;
    }
    Ok(())
}

fn value(spread: Spread, unit: Unit) -> String {
    let Spread { median, min, max } = spread;
    let symbol = unit.symbol();
    format!("{}{symbol} ({}..{})", short(median), short(min), short(max))
}

fn ratio(spread: Spread) -> String {
    let Spread { median, min, max } = spread;
    format!("{median:.2} ({min:.2}..{max:.2})")
}

/// Three digits or more of a number.
fn short(number: f64) -> String {
    match number.abs() {
        size if size >= 100.0 || number == 0.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::{entry, results};

    #[test]
    fn a_bar_that_is_missed_is_marked() {
        let text = render(&results(vec![entry("a", Some(0.5)), entry("b", Some(0.9))]));
        let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(line("a ").ends_with("0.80!"), "{text}");
        assert!(line("b ").trim_end().ends_with("0.80"), "{text}");
        assert!(text.contains("15.0"), "{text}");
    }

    #[test]
    fn a_ceiling_that_is_missed_is_marked_and_fails_the_run() {
        let at_most = |name: &str, ceiling| {
            let (unit, bar, ceiling) = (Unit::Milliseconds, None, Some(ceiling));
            Entry { unit, bar, ceiling, ..entry(name, None) }
        };
        let results = results(vec![at_most("slow", 999.0), at_most("fast", 1_000.0)]);
        let text = render(&results);
        let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(line("slow").ends_with("<=999ms!"), "{text}");
        assert!(line("fast").ends_with("<=1000ms "), "{text}");
        assert_eq!(results.missed(), ["slow: 1000.00 ms"]);
    }
}
