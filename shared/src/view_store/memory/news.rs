//! Tells its listeners what happens to the views.

use std::time::Duration;

use async_trait::async_trait;
use kernel::{Failure, Result};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::view_store::{Update, Updates};

/// News that a slow listener may be behind.
const BEHIND: usize = 1_024;
/// How long `next` waits for an update.
const NEXT_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct News(broadcast::Sender<Update>);

impl Default for News {
    fn default() -> Self {
        Self(broadcast::Sender::new(BEHIND))
    }
}

impl News {
    pub fn tell(&self, update: Update) {
        if self.0.receiver_count() > 0 {
            drop(self.0.send(update)); // The last listener may just have gone.
        }
    }

    pub fn listen(&self) -> Listener {
        Listener(self.0.subscribe())
    }
}

#[derive(Debug)]
pub struct Listener(broadcast::Receiver<Update>);

#[async_trait]
impl Updates for Listener {
    async fn next(&mut self) -> Result<Vec<Update>> {
        let first = match tokio::time::timeout(NEXT_TIMEOUT, self.0.recv()).await {
            Ok(Ok(update)) => update,
            Ok(Err(RecvError::Lagged(_))) => Update::Missed,
            Ok(Err(RecvError::Closed)) => {
                return Err(Failure::transient("following the views", "the generation is gone"));
            }
            Err(_) => return Ok(vec![]),
        };
        let mut updates = vec![first];
        while let Ok(update) = self.0.try_recv() {
            updates.push(update);
        }
        Ok(updates)
    }
}
