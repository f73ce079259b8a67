//! Reading what clients that come back have missed: it may be much, and shares a connection with the
//! queries. So few do it at a time.

use tokio::sync::{Semaphore, SemaphorePermit};

/// How many read at a time, and hold what they have read.
const AT_A_TIME: usize = 4;

pub struct Turns(Semaphore);

/// It is over when this is dropped.
pub struct Turn<'a> {
    _one: Option<SemaphorePermit<'a>>,
}

impl Default for Turns {
    fn default() -> Self {
        Self(Semaphore::new(AT_A_TIME))
    }
}

impl Turns {
    /// Waits for a turn. All that wait have theirs in the order in which they came.
    pub async fn begin(&self) -> Turn<'_> {
        Turn { _one: self.0.acquire().await.ok() }
    }
}
