//! How long one journaled insert takes, one after another.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Servers, group};
use crate::Result;
use crate::proc::own_cpu;
use crate::stats::percentile_ms;

#[derive(Debug, Serialize, Deserialize)]
pub struct Inserted {
    pub count: u64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub cpu_seconds: f64,
}

/// Prints an `Inserted`.
pub async fn run(servers: Servers, seconds: f64) -> Result<()> {
    let commits = group::prepare(&servers).await?;
    let ids = crate::load::Ids::new(1);
    let (cpu, end) = (own_cpu()?, Instant::now() + Duration::from_secs_f64(seconds));
    let mut micros = vec![];
    let mut number = 0;
    while Instant::now() < end {
        let id = ids.text(number);
        let stream = format!("order-{}", std::str::from_utf8(&id)?);
        // As long as an order of two items.
        let data = format!("{{\"order_id\":\"{}\",\"of\":\"{}\"}}", &stream[6..], "x".repeat(250));
        number += 1;
        let document = group::document(number as i64, &stream, Uuid::now_v7(), &data);
        let started = Instant::now();
        commits.insert_one(document).await?;
        micros.push(u32::try_from(started.elapsed().as_micros())?);
    }
    micros.sort_unstable();
    let [p50_ms, p99_ms] = [50, 99].map(|percent| percentile_ms(&micros, percent));
    let cpu_seconds = (own_cpu()? - cpu).as_secs_f64();
    let inserted = Inserted { count: number, p50_ms, p99_ms, cpu_seconds };
    println!("{}", serde_json::to_string(&inserted)?);
    Ok(())
}
