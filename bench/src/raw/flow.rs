//! What the parts of the raw chain's api share; one thread has them all.

use std::cell::{Cell, RefCell};

use tokio::sync::{Notify, oneshot};

/// Groups are held back while the views are further behind than this.
pub const MOST_BEHIND: i64 = 5_000;

/// An order that waits to be written.
pub struct Job {
    pub order_id: String,
    /// The event's data as JSON.
    pub data: String,
    /// Told its position.
    pub reply: oneshot::Sender<i64>,
}

#[derive(Default)]
pub struct Flow {
    pub waiting: RefCell<Vec<Job>>,
    pub arrived: Notify,
    /// Events that are written and wait to be published, as JSON, in the order of their positions.
    pub written: RefCell<Vec<String>>,
    pub to_publish: Notify,
    /// The highest position that is written.
    pub head: Cell<i64>,
    /// The highest position that is in the views.
    pub applied: Cell<i64>,
    pub moved: Notify,
}

impl Flow {
    /// Waits until the views have followed.
    pub async fn room(&self) {
        while self.head.get() - self.applied.get() > MOST_BEHIND {
            self.moved.notified().await;
        }
    }
}
