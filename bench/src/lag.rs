//! How far the views are behind the log while a load runs.

use std::collections::VecDeque;
use std::pin::pin;
use std::time::{Duration, Instant};

use serde_json::Value;
use waybill::client::Client;

use crate::Result;

/// Between two looks while a load runs, and while the views catch up.
const LOAD_POLL_INTERVAL: Duration = Duration::from_millis(50);
const CATCH_UP_POLL_INTERVAL: Duration = Duration::from_millis(5);
/// After that the views count as stuck.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(300);

/// Asks for `GET /generations`, which the projector and the raw chain answer alike.
pub struct Lag {
    client: Client,
    /// When which head was seen, of those that the views have not reached.
    ahead: VecDeque<(Instant, i64)>,
    head: i64,
    /// Positions that the views are behind now.
    pub events: i64,
    pub max_events: i64,
    /// For how long the oldest position that the views lack has been seen.
    pub max_seconds: f64,
}

impl Lag {
    pub fn new(client: Client) -> Self {
        Self { client, ahead: VecDeque::new(), head: 0, events: 0, max_events: 0, max_seconds: 0.0 }
    }

    /// Looks again and again until `work` is done.
    pub async fn during<T>(&mut self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => {
                    let done = done?;
                    self.look().await?;
                    return Ok(done);
                }
                () = tokio::time::sleep(LOAD_POLL_INTERVAL) => self.look().await?,
            }
        }
    }

    /// Waits until the views have everything; returns how long that took.
    pub async fn catch_up(&mut self) -> Result<Duration> {
        let started = Instant::now();
        self.look().await?;
        while self.events > 0 {
            if started.elapsed() > CATCH_UP_TIMEOUT {
                return Err(format!("the views stay {} events behind", self.events).into());
            }
            tokio::time::sleep(CATCH_UP_POLL_INTERVAL).await;
            self.look().await?;
        }
        Ok(started.elapsed())
    }

    pub async fn look(&mut self) -> Result<()> {
        let told = self.client.get("/generations").await?;
        let (head, checkpoint) = parse(&told).ok_or("no generation is live")?;
        self.see(head, checkpoint, Instant::now());
        Ok(())
    }

    fn see(&mut self, head: i64, checkpoint: i64, now: Instant) {
        if head > self.head {
            self.head = head;
            self.ahead.push_back((now, head));
        }
        while self.ahead.front().is_some_and(|(_, seen)| *seen <= checkpoint) {
            self.ahead.pop_front();
        }
        self.events = (self.head - checkpoint).max(0);
        self.max_events = self.max_events.max(self.events);
        let since = self.ahead.front().map_or(now, |(since, _)| *since);
        self.max_seconds = self.max_seconds.max((now - since).as_secs_f64());
    }
}

/// The head of the log, and the checkpoint of the live generation.
fn parse(told: &Value) -> Option<(i64, i64)> {
    let live = told["items"].as_array()?.iter().find(|item| item["live"] == true)?;
    Some((told["head"].as_i64()?, live["checkpoint"].as_i64()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lag_in_seconds_is_the_age_of_the_oldest_position_that_is_missing() {
        let mut lag = Lag::new(Client::new("http://localhost"));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        lag.see(10, 10, at(0));
        assert_eq!((lag.events, lag.max_seconds), (0, 0.0));
        lag.see(20, 10, at(1));
        lag.see(30, 15, at(3));
        assert_eq!((lag.events, lag.max_events, lag.max_seconds), (15, 15, 2.0));
        lag.see(40, 25, at(4));
        assert_eq!((lag.events, lag.max_seconds), (15, 2.0));
        lag.see(40, 40, at(9));
        assert_eq!((lag.events, lag.max_events, lag.max_seconds), (0, 15, 2.0));
    }

    #[test]
    fn the_live_generation_is_the_one_that_counts() {
        let told = serde_json::json!({ "head": 9, "items": [
            { "live": false, "checkpoint": 1 }, { "live": true, "checkpoint": 7 }] });
        assert_eq!(parse(&told), Some((9, 7)));
        assert_eq!(parse(&serde_json::json!({ "head": 9, "items": [] })), None);
    }
}
