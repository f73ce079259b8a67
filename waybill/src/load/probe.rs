//! How long it takes from a POST until a query shows the order.

use std::time::{Duration, Instant};

use http::Method;
use kernel::{Failure, Result};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::client::Client;

/// Between two probes.
const PROBE_INTERVAL: Duration = Duration::from_millis(20);

/// Creates orders one after another, each with its own token shown to query-api; microseconds from
/// the POST to the answer that has it, sorted.
pub async fn probe(commands: Client, queries: Client, over: CancellationToken) -> Result<Vec<u32>> {
    let item = json!({ "sku": "PROBE", "name": "Probe", "quantity": 1, "unit_price": 1 });
    let order = json!({ "customer_id": "probe", "currency": "EUR", "items": [item] }).to_string();
    let mut micros = vec![];
    while !over.is_cancelled() {
        let started = Instant::now();
        let created = commands.post("/orders", &[], order.clone()).await?;
        let header = |name: &str| created.headers.get(name).and_then(|value| value.to_str().ok());
        if let (Some(place), Some(token)) = (header("location"), header("consistency-token")) {
            let seen = [("consistency-token", token), ("prefer", "wait=30")];
            let read = queries.send(Method::GET, place, &seen, "").await?;
            if !read.status.is_success() {
                return Err(Failure::transient(
                    "probing",
                    format!("an order was not visible: {}", read.status),
                ));
            }
            micros.push(u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
        tokio::time::sleep(PROBE_INTERVAL).await;
    }
    micros.sort_unstable();
    Ok(micros)
}
