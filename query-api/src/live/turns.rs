//! Reading what clients that come back have missed: it may be much, and shares a connection with
//! the queries. So few do it at a time.

use tokio::sync::{Semaphore, SemaphorePermit};

use super::share::Share;

/// How many read at a time, and hold what they have read.
const AT_A_TIME: usize = 4;

pub struct Turns(Semaphore);

/// It is over when this is dropped.
pub struct Turn<'a> {
    _of_client: Option<SemaphorePermit<'a>>,
    _of_all: Option<SemaphorePermit<'a>>,
}

impl Default for Turns {
    fn default() -> Self {
        Self(Semaphore::new(AT_A_TIME))
    }
}

impl Turns {
    /// Waits for a turn. All that wait have theirs in the order in which they came; but of one
    /// client only few wait among the others, and its other streams behind these. It has no more
    /// turns where no other client waits: one that comes then would wait for reads to end, which
    /// may take long.
    pub async fn begin<'a>(&'a self, share: &'a Share) -> Turn<'a> {
        let of_client = share.turns.acquire().await.ok();
        Turn { _of_client: of_client, _of_all: self.0.acquire().await.ok() }
    }
}
