//! When requests are to be sent whether or not answers come.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

/// Between two looks at the clock.
const TICK: Duration = Duration::from_millis(1);
/// Requests that are late by more than this are given up, in seconds: every connection waits.
const LATE: f64 = 1.0;

/// Moments at which requests are due, handed to connections that are free.
pub struct Pace {
    rate: f64,
    due: RefCell<VecDeque<Instant>>,
    ready: Semaphore,
}

impl Pace {
    pub fn new(rate: f64) -> Self {
        Self { rate, due: RefCell::default(), ready: Semaphore::new(0) }
    }

    /// Makes requests due until `end`; returns how many were given up.
    pub async fn run(&self, end: Instant) -> u64 {
        let started = Instant::now();
        let (mut made, mut given_up) = (0_u64, 0);
        let mut tick = tokio::time::interval(TICK);
        let most = (self.rate * LATE).max(1.0) as usize;
        while Instant::now() < end {
            tick.tick().await;
            let wanted = (started.elapsed().as_secs_f64() * self.rate) as u64;
            for number in made..wanted {
                if self.due.borrow().len() >= most {
                    given_up += 1;
                    continue;
                }
                let at = started + Duration::from_secs_f64(number as f64 / self.rate);
                self.due.borrow_mut().push_back(at);
                self.ready.add_permits(1);
            }
            made = wanted;
        }
        given_up += self.due.borrow().len() as u64;
        self.ready.close();
        given_up
    }

    /// Waits until a request is due, and tells when it was; `None` after the end.
    pub async fn next(&self) -> Option<Instant> {
        self.ready.acquire().await.ok()?.forget();
        self.due.borrow_mut().pop_front()
    }
}
