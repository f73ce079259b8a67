//! Small orders beside large ones: how long each takes until it is visible.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tests::client::OrderClient;
use tests::services::System;

/// From a small order to its view at most, in seconds, on any machine and in a debug build, while other tests
/// run. What it takes is printed.
const SMALL: u32 = 30;
/// So many orders are asked for where services of a release build are measured: then a small order is visible
/// within a second.
const MEASURED: usize = 2_000;

/// What a small order beside so many large ones may take.
pub fn allowed(large: usize) -> Duration {
    let is_measured = large >= MEASURED && std::env::var_os("WAYBILL_TEST_RELEASE").is_some();
    Duration::from_secs(if is_measured { 1 } else { SMALL.into() })
}

/// How long it takes from a small order to its view.
pub async fn small_order(commands: &OrderClient, queries: &OrderClient) -> Duration {
    let started = Instant::now();
    let created = commands.create_lamp(5).await;
    let reader = queries.with_token(created.token()).waiting(SMALL);
    assert_eq!(reader.get(created.location()).await.status, 200);
    started.elapsed()
}

/// Small orders, one after the other, as long as other things happen.
pub struct Beside {
    over: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Vec<Duration>>,
}

impl Beside {
    pub fn start(system: &System) -> Self {
        let (commands, queries) = (system.commands[0].api(), system.queries.api());
        let over = Arc::new(AtomicBool::new(false));
        let ends = over.clone();
        let task = tokio::spawn(async move {
            let mut times = vec![];
            while !ends.load(Ordering::SeqCst) || times.is_empty() {
                times.push(small_order(&commands, &queries).await);
            }
            times
        });
        Self { over, task }
    }

    /// `large` orders are there.
    pub async fn end(self, what: &str, large: usize) {
        self.over.store(true, Ordering::SeqCst);
        let times = self.task.await.unwrap();
        let most = *times.iter().max().unwrap();
        println!("{what}: {} small orders were visible within {most:?}", times.len());
        assert!(most < allowed(large), "{what}: {most:?}");
    }
}
