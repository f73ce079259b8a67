//! How fast events can be published that are rendered already.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::Servers;
use super::order::sample;
use super::relay::{chunks, connect};
use crate::Result;
use crate::load::Ids;
use crate::proc::own_cpu;

/// Messages whose confirms are awaited together.
const IN_FLIGHT: usize = 1_024;
/// Events that are rendered; they are published again and again.
const SAMPLES: usize = 4_096;

#[derive(Debug, Serialize, Deserialize)]
pub struct Published {
    pub events: u64,
    pub per_second: f64,
    pub cpu_seconds: f64,
}

/// Publishes about so many events, with at most `most` in a message, and prints a `Published`.
pub async fn run(servers: Servers, events: usize, most: usize) -> Result<()> {
    let publisher = connect(&servers).await?;
    let ids = Ids::new(1);
    let count = SAMPLES.min(events);
    let samples: Vec<String> =
        (0..count as u64).map(|number| sample(&ids, number)).collect::<Result<_>>()?;
    let messages = chunks(&samples, most);
    let (cpu, started, mut published) = (own_cpu()?, Instant::now(), 0);
    while published < events {
        for window in messages.chunks(IN_FLIGHT) {
            publisher.publish(window).await?;
        }
        published += count;
    }
    let per_second = published as f64 / started.elapsed().as_secs_f64();
    let cpu_seconds = (own_cpu()? - cpu).as_secs_f64();
    let published = Published { events: published as u64, per_second, cpu_seconds };
    println!("{}", serde_json::to_string(&published)?);
    Ok(())
}
