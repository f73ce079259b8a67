//! Notices work that makes no progress although it should: `/livez` tells of it, so that the process is
//! restarted.
//!
//! Each call of a server has a deadline of 20 s or less, and each wait ends. So work that is neither
//! over nor gets on for longer than several of them hangs in code that does not return.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::service::metrics::{Gauge, Histogram, tell_of};

/// Without progress for so long, work is stuck.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two beats of the runtime.
const BEAT: Duration = Duration::from_secs(1);
/// How many may be known before those that are over are forgotten.
const MANY: usize = 64;

static STUCK: Gauge = Gauge::by(
    "waybill_stuck_works",
    "Works that have made no progress for two minutes although they should, by what they are.",
    &["work"],
    &[],
);
static DELAY: Histogram = Histogram::of_seconds(
    "waybill_runtime_delay_seconds",
    "How late a task runs that wakes every second: how long tasks wait for their turn.",
    &[],
);

/// All work of a process that is watched.
#[derive(Debug, Clone)]
pub struct Liveness {
    works: Arc<Mutex<Vec<Weak<State>>>>,
    patience: Duration,
}

impl Default for Liveness {
    fn default() -> Self {
        Self::with_patience(PATIENCE)
    }
}

#[derive(Debug)]
struct State {
    name: &'static str,
    /// The latest progress; `None` while there is nothing to do.
    since: Mutex<Option<Instant>>,
}

/// Work that must get on, until all clones of it are dropped.
#[derive(Debug, Clone)]
pub struct Work(Arc<State>);

impl Liveness {
    /// One that takes work for stuck after this time.
    pub fn with_patience(patience: Duration) -> Self {
        Self { works: Arc::default(), patience }
    }

    /// Work that begins now. Its `name` is a label: one of few.
    pub fn work(&self, name: &'static str) -> Work {
        let work = Work(Arc::new(State { name, since: Mutex::new(Some(Instant::now())) }));
        let mut works = self.works.lock().unwrap_or_else(PoisonError::into_inner);
        if works.len() >= MANY {
            works.retain(|work| work.strong_count() > 0);
        }
        works.push(Arc::downgrade(&work.0));
        work
    }

    /// What is stuck, and for how long.
    pub fn stuck(&self) -> BTreeMap<&'static str, Duration> {
        let mut stuck = BTreeMap::new();
        for work in self.works.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let Some(work) = work.upgrade() else { continue };
            let since = *work.since.lock().unwrap_or_else(PoisonError::into_inner);
            let time = since.map_or(Duration::ZERO, |since| since.elapsed());
            if time > self.patience {
                let longest = stuck.entry(work.name).or_insert(time);
                *longest = time.max(*longest);
            } else {
                STUCK.set_of(work.name, 0.0);
            }
        }
        stuck.keys().for_each(|name| STUCK.set_of(name, 1.0));
        stuck
    }

    /// The beat of the runtime: a task that wakes every second. Never ends.
    pub async fn beat(self) {
        tell_of(&[&DELAY]);
        let work = self.work("runtime");
        loop {
            self.stuck(); // For the metric.
            let before = Instant::now();
            tokio::time::sleep(BEAT).await;
            DELAY.took(before.elapsed().saturating_sub(BEAT), &[]);
            work.progress();
        }
    }
}

impl Work {
    /// It got on.
    pub fn progress(&self) {
        self.set(Some(Instant::now()));
    }

    /// There is nothing to do until the next progress, or the next `must_progress`.
    pub fn rest(&self) {
        self.set(None);
    }

    /// There is something to do: from now on, if there was nothing before.
    pub fn must_progress(&self) {
        let mut since = self.0.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.get_or_insert_with(Instant::now);
    }

    fn set(&self, since: Option<Instant>) {
        *self.0.since.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_stuck_without_progress_and_not_while_it_rests_or_is_over() {
        let liveness = Liveness::with_patience(Duration::ZERO);
        let work = liveness.work("work");
        assert!(liveness.stuck().contains_key("work"));
        work.rest();
        assert!(liveness.stuck().is_empty());
        work.must_progress();
        assert!(liveness.stuck().contains_key("work"));
        drop(work);
        assert!(liveness.stuck().is_empty());
        let patient = Liveness::default();
        let work = patient.work("work");
        work.progress();
        assert!(patient.stuck().is_empty());
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let liveness = Liveness::default();
        for _ in 0..10 * MANY {
            drop(liveness.work("work"));
        }
        assert!(liveness.works.lock().unwrap().len() <= MANY);
    }
}
