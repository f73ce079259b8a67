//! Tells its listeners what happens to the views, and keeps the latest news for those that come back.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use kernel::{Failure, Result};
use tokio::sync::watch;

use crate::view_store::updates::Latest;
use crate::view_store::{Place, Update, Updates};

/// News that are kept: a listener that is further behind misses some.
const KEPT: usize = 10_000;
/// How long `next` waits for an update.
const NEXT_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct News {
    kept: Arc<Mutex<Kept>>,
    /// The number of the newest one.
    newest: watch::Sender<u64>,
}

/// The latest news. They are numbered from 1; `Place(0, n)` is the place of number n.
#[derive(Debug, Default)]
struct Kept {
    newest: u64,
    news: VecDeque<Update>,
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for News {
    fn default() -> Self {
        Self { kept: Arc::default(), newest: watch::Sender::new(0) }
    }
}

impl Kept {
    /// Those behind number `after`; `None` when some are not kept any more, or it is not there yet.
    fn since(&self, after: u64) -> Option<impl Iterator<Item = &Update>> {
        let behind = usize::try_from(self.newest.checked_sub(after)?).ok()?;
        Some(self.news.iter().skip(self.news.len().checked_sub(behind)?))
    }
}

impl News {
    pub fn tell(&self, update: Update) {
        let newest = {
            let mut kept = lock(&self.kept);
            if kept.news.len() == KEPT {
                kept.news.pop_front();
            }
            kept.news.push_back(update);
            kept.newest += 1;
            kept.newest
        };
        self.newest.send_replace(newest);
    }

    pub fn listen(&self) -> Listener {
        let newest = self.newest.subscribe();
        let last = *newest.borrow();
        Listener { kept: self.kept.clone(), newest, last }
    }

    pub fn since(&self, after: Place, max_streams: usize) -> Option<Vec<(Place, Update)>> {
        let Place(0, after) = after else { return None };
        let (kept, mut latest) = (lock(&self.kept), Latest::of(max_streams));
        let mut news = kept.since(after)?.cloned().zip(after + 1..);
        let all = news.all(|(update, number)| latest.add(Place(0, number), update));
        all.then(|| latest.in_order())
    }
}

#[derive(Debug)]
pub struct Listener {
    kept: Arc<Mutex<Kept>>,
    newest: watch::Receiver<u64>,
    last: u64,
}

#[async_trait]
impl Updates for Listener {
    async fn next(&mut self) -> Result<Vec<Update>> {
        let last = self.last;
        let more = self.newest.wait_for(|newest| *newest > last);
        match tokio::time::timeout(NEXT_TIMEOUT, more).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => {
                return Err(Failure::transient("following the views", "the generation is gone"));
            }
            Err(_) => return Ok(vec![]),
        }
        let kept = lock(&self.kept);
        let news = kept.since(last).map(|news| news.cloned().collect());
        self.last = kept.newest;
        // Those that are not kept any more were missed, and the others with them.
        Ok(news.unwrap_or_else(|| vec![Update::Missed]))
    }

    fn place(&self) -> Place {
        Place(0, self.last)
    }
}
