//! The figures of a sample as text, for the screen and for a single look.

use serde_json::Value;

use super::sample::{Changes, Log, Sample, Views};
use crate::output::{plain, text};

/// What stands where nothing is told.
const NOTHING: &str = "–";

/// A name and what is told of it.
pub type Line = (&'static str, String);

/// The value with its unit, or what stands where nothing is told.
pub fn or_nothing<T: ToString>(value: Option<T>, unit: &str) -> String {
    value.map_or_else(|| NOTHING.to_owned(), |value| format!("{}{unit}", value.to_string()))
}

/// The log and the views; for what is missing, why.
pub fn figures(sample: &Sample) -> Vec<Line> {
    let mut lines = vec![];
    match &sample.log {
        Some(Log { head, positions_per_second }) => {
            let rate = positions_per_second.map(|rate| format!("{rate:.0}"));
            lines.push(("commits", format!("{} per second, head {head}", or_nothing(rate, ""))));
        }
        None => lines.push(("commits", missing(sample, "log"))),
    }
    match &sample.views {
        Some(Views { generation, checkpoint, behind, parked, .. }) => lines.push((
            "views",
            format!("{generation}: {behind} behind the head, checked up to {checkpoint}, {parked} parked"),
        )),
        None => lines.push(("views", missing(sample, "views"))),
    }
    match &sample.changes {
        Some(Changes { per_second, lag_ms, applied, .. }) => lines.push((
            "changes",
            format!(
                "{per_second:.0} per second, lag {}, applied up to {}",
                or_nothing(*lag_ms, " ms"),
                or_nothing(*applied, "")
            ),
        )),
        None => lines.push(("changes", missing(sample, "changes"))),
    }
    let waiting = |count: u64| format!("{count} messages wait for the live views");
    lines.push(("queue", sample.queue.map_or_else(|| missing(sample, "queue"), waiting)));
    lines.push(("orders", totals(sample)));
    lines.push((
        "dead letters",
        match sample.dead_letters {
            Some(count) => count.to_string(),
            None => missing(sample, "dead_letters"),
        },
    ));
    lines
}

fn missing(sample: &Sample, what: &str) -> String {
    format!("not told: {}", plain(sample.why_missing(what).unwrap_or("the answer lacks it")))
}

fn totals(sample: &Sample) -> String {
    let Some(totals) = &sample.totals else { return missing(sample, "totals") };
    let statuses = totals["by_status"].as_object().into_iter().flatten();
    let statuses = statuses.filter(|(_, count)| **count != 0);
    let statuses: Vec<String> =
        statuses.map(|(status, count)| format!("{} {}", text(count), plain(status))).collect();
    match statuses.is_empty() {
        true => text(&totals["orders"]),
        false => format!("{}: {}", text(&totals["orders"]), statuses.join(", ")),
    }
}

/// A generation: its name, what it is, its checkpoint, how many streams are parked in it.
pub fn generation(one: &Value) -> [String; 4] {
    let progress = &one["progress"];
    let state = match (one["live"] == true, one["building"] == true) {
        (true, _) => "live".to_owned(),
        (false, true) if progress.is_object() => {
            let outrun = if progress["outrun"] == true { ", outrun by the log" } else { "" };
            format!("in the making, at {} of {}{outrun}", progress["reached"], progress["head"])
        }
        (false, true) => "in the making".to_owned(),
        (false, false) => "replaced".to_owned(),
    };
    let checkpoint = one["checkpoint"].as_i64();
    [text(&one["id"]), state, or_nothing(checkpoint, ""), text(&one["parked"])]
}
