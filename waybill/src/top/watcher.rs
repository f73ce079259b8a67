//! Follows `GET /live` between the looks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::task::AbortHandle;

use super::hot::Hot;
use super::sample::{Changes, Hottest};
use crate::client::Client;
use crate::live::sse::Event;
use crate::live::{Live, News};

/// Changes are counted for so long, and kept for as long again.
const WINDOW: Duration = Duration::from_secs(30);
/// How many streams are shown.
const SHOWN: usize = 10;

/// What was told since the look before. Ends with its owner.
pub struct Watcher {
    told: Arc<Mutex<Told>>,
    task: AbortHandle,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Told {
    /// Why nothing is told.
    cut: Option<String>,
    changes: u64,
    lag_ms: Option<i64>,
    applied: Option<i64>,
    since: Instant,
    hot: Hot,
    before: Hot,
    window: Instant,
}

fn lock(told: &Mutex<Told>) -> MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watcher {
    pub fn start(client: Client) -> Self {
        let told = Arc::new(Mutex::new(Told {
            cut: Some("the stream of changes is not open yet".to_owned()),
            changes: 0,
            lag_ms: None,
            applied: None,
            since: Instant::now(),
            hot: Hot::default(),
            before: Hot::default(),
            window: Instant::now(),
        }));
        let live = Live::new(client, "/live?data=none".to_owned(), None);
        let task = tokio::spawn(follow(live, told.clone())).abort_handle();
        Self { told, task }
    }

    /// Whether the stream is open, or why not.
    pub fn is_open(&self) -> bool {
        lock(&self.told).cut.is_none()
    }

    /// What was told since the last call; why not, where the stream is not open.
    pub fn take(&self) -> Result<Changes, String> {
        let mut told = lock(&self.told);
        let seconds = told.since.elapsed().as_secs_f64().max(0.001);
        told.since = Instant::now();
        let changes = std::mem::take(&mut told.changes);
        let lag_ms = told.lag_ms.take();
        if let Some(why) = &told.cut {
            return Err(why.clone());
        }
        told.turn();
        let hottest = Hot::most(&told.hot, &told.before, SHOWN);
        let hottest = hottest.into_iter().map(|(stream, changes)| Hottest { stream, changes });
        Ok(Changes {
            per_second: changes as f64 / seconds,
            lag_ms,
            applied: told.applied,
            hottest: hottest.collect(),
        })
    }
}

impl Told {
    /// Begins the next window when it is time.
    fn turn(&mut self) {
        if self.window.elapsed() >= WINDOW {
            self.window = Instant::now();
            self.before = std::mem::take(&mut self.hot);
        }
    }

    fn add(&mut self, event: &Event) {
        let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
        match event.name.as_str() {
            "view" => {
                self.changes += 1;
                self.turn();
                if let Some(stream) = data["stream"].as_str() {
                    self.hot.add(stream);
                }
            }
            "checkpoint" => {
                self.applied = data["applied"].as_i64().or(self.applied);
                self.lag_ms = self.lag_ms.max(data["lag_ms"].as_i64());
            }
            _ => {}
        }
    }
}

async fn follow(mut live: Live, told: Arc<Mutex<Told>>) {
    loop {
        match live.next().await {
            Ok(News::Open { .. }) => lock(&told).cut = None,
            Ok(News::Cut(why)) => lock(&told).cut = Some(why),
            Ok(News::Event(event)) => lock(&told).add(&event),
            Err(failure) => {
                lock(&told).cut = Some(failure.to_string());
                return;
            }
        }
    }
}
