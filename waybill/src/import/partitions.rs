//! Sends a chunk of rows. All commands of an order are in one partition; a partition sends one batch
//! after another, and partitions go side by side.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use futures::future::try_join_all;
use http::StatusCode;
use indicatif::ProgressBar;
use kernel::{Failure, Result};
use serde_json::{Value, json};
use shared::service::backoff::Backoff;
use uuid::Uuid;

use super::rows::Row;
use crate::client::Client;
use crate::load::is_passing;

/// Commands in a request.
const BATCH: usize = 500;
/// Bytes in a request; the service takes 1 MiB.
const BYTES: usize = 900_000;
/// How long a batch is tried again.
const RETRY_TIMEOUT: Duration = Duration::from_secs(120);

/// Each row with its result.
pub async fn send(
    client: &Client,
    name: &str,
    rows: Vec<Row>,
    concurrency: usize,
    bar: &ProgressBar,
) -> Result<Vec<(Row, Value)>> {
    let partitions = concurrency.max(1);
    let mut by_partition: HashMap<usize, Vec<Row>> = HashMap::new();
    for row in rows {
        let order = order(&row);
        let mut hash = DefaultHasher::new();
        order.map_or_else(|| row.line.to_string(), str::to_owned).hash(&mut hash);
        by_partition.entry((hash.finish() % partitions as u64) as usize).or_default().push(row);
    }
    let partitions = by_partition.into_values().map(|rows| send_partition(client, name, rows, bar));
    let mut results: Vec<(Row, Value)> =
        try_join_all(partitions).await?.into_iter().flatten().collect();
    results.sort_by_key(|(row, _)| row.line);
    Ok(results)
}

fn order(row: &Row) -> Option<&str> {
    row.command.as_ref().ok()?.get("order_id")?.as_str()
}

async fn send_partition(
    client: &Client,
    name: &str,
    rows: Vec<Row>,
    bar: &ProgressBar,
) -> Result<Vec<(Row, Value)>> {
    let mut results = Vec::with_capacity(rows.len());
    for rows in batches(&rows) {
        results.extend(batch(client, name, rows).await?);
        bar.inc(rows.len() as u64);
    }
    Ok(results)
}

/// Cuts rows into requests, each within both limits.
fn batches(rows: &[Row]) -> impl Iterator<Item = &[Row]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |row: &&Row| {
            // Room for the key and the separator.
            bytes += 100
                + row
                    .command
                    .as_ref()
                    .map_or_else(|text| json!(text), Value::clone)
                    .to_string()
                    .len();
            bytes <= BYTES
        };
        let length =
            rest.iter().take(BATCH).take_while(fits).count().max(usize::from(!rest.is_empty()));
        let (batch, after) = rest.split_at(length);
        rest = after;
        (!batch.is_empty()).then_some(batch)
    })
}

/// Sends until no result is a passing one. Where one was, the refusals behind it of the same order
/// are not final either: they are sent again with it.
async fn batch(client: &Client, name: &str, rows: &[Row]) -> Result<Vec<(Row, Value)>> {
    let started = std::time::Instant::now();
    let mut backoff = Backoff::for_servers();
    let mut results: Vec<Option<Value>> = vec![None; rows.len()];
    loop {
        let open: Vec<usize> = (0..rows.len()).filter(|&i| results[i].is_none()).collect();
        if open.is_empty() {
            let each = rows.iter().cloned().zip(results.into_iter().flatten());
            return Ok(each.collect());
        }
        match post(client, name, rows, &open).await {
            Ok(answers) => {
                let mut unsettled: HashSet<&str> = HashSet::new();
                for (&i, answer) in open.iter().zip(answers) {
                    let order = order(&rows[i]).unwrap_or_default();
                    let accepted = answer["status"].as_u64().is_some_and(|status| status < 300);
                    if accepted || !(passing(&answer) || unsettled.contains(order)) {
                        results[i] = Some(answer);
                    } else if !order.is_empty() {
                        unsettled.insert(order);
                    }
                }
            }
            Err(failure) if failure.is_permanent() || started.elapsed() > RETRY_TIMEOUT => {
                return Err(failure);
            }
            Err(_) => {}
        }
        if results.iter().any(Option::is_none) {
            if started.elapsed() > RETRY_TIMEOUT {
                return Err(Failure::transient(
                    "importing",
                    "the service is not available; run it again to go on",
                ));
            }
            backoff.sleep().await;
        }
    }
}

fn passing(answer: &Value) -> bool {
    let status = answer["status"]
        .as_u64()
        .and_then(|status| StatusCode::from_u16(u16::try_from(status).ok()?).ok());
    status.is_none_or(|status| is_passing(status, answer.to_string().as_bytes()))
}

async fn post(client: &Client, name: &str, rows: &[Row], open: &[usize]) -> Result<Vec<Value>> {
    let commands: Vec<Value> = open.iter().map(|&i| keyed(name, &rows[i])).collect();
    let answer = client.post("/commands", &[], json!(commands).to_string()).await?;
    let what = "sending a batch";
    match answer.status {
        StatusCode::OK => {}
        // There may be no room for the whole of it.
        status if status.is_server_error() || is_passing(status, &answer.body) => {
            return Err(Failure::transient(what, status));
        }
        // A single command that is too large for a request is refused like any other.
        StatusCode::PAYLOAD_TOO_LARGE if open.len() == 1 => return Ok(vec![answer.json()?]),
        status => {
            let told = String::from_utf8_lossy(&answer.body).into_owned();
            return Err(Failure::permanent(what, format!("{status}: {told}")));
        }
    }
    match answer.json()?["results"].take() {
        Value::Array(results) if results.len() == open.len() => Ok(results),
        _ => Err(Failure::permanent(what, "the answer has another number of results")),
    }
}

/// The command with a key made of file, line and contents. What is no JSON goes as text, to be
/// refused in its place like everything else that is no command.
fn keyed(name: &str, row: &Row) -> Value {
    let mut command = row.command.as_ref().map_or_else(|text| json!(text), Value::clone);
    if let Value::Object(fields) = &mut command {
        let what = format!("{name}\n{}\n{}", row.line, Value::Object(fields.clone()));
        let key = format!("import-{}", Uuid::new_v5(&Uuid::NAMESPACE_OID, what.as_bytes()));
        fields.entry("idempotency_key").or_insert(json!(key));
    }
    command
}
