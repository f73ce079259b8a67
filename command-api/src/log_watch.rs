//! Tells requests that wait for more of the log when there is more: one look at it serves all of them.

use std::sync::Arc;
use std::time::Duration;

use kernel::Result;
use kernel::log::Position;
use shared::event_store::EventStore;
use shared::service::vital::panics;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// Between two looks, at least.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// The longest wait for an append, and the time behind a look that failed.
const MAX_WAIT: Duration = Duration::from_secs(1);
/// Positions that are read at a time.
const PAGE: usize = 1_000;

/// Looks at the log while any request waits, and never otherwise.
pub struct LogWatch {
    followed: watch::Sender<Followed>,
    /// There is a reason to look now.
    look: Notify,
}

#[derive(Debug, Default)]
struct Followed {
    waiting: usize,
    /// The log has no gap up to here, from the lowest position behind which any of them waits; none while
    /// none waits.
    complete: Option<Position>,
}

/// A request that waits.
struct Waiting<'a>(&'a LogWatch);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.followed.send_if_modified(|followed| {
            followed.waiting -= 1;
            if followed.waiting == 0 {
                followed.complete = None; // The next one may wait behind much that came meanwhile.
            }
            false
        });
    }
}

impl LogWatch {
    /// Watches the log until `stop`. After a fault it begins anew.
    pub fn start(store: Arc<dyn EventStore>, stop: CancellationToken) -> Arc<Self> {
        let followed = watch::Sender::new(Followed::default());
        let this = Arc::new(Self { followed, look: Notify::new() });
        let watching = this.clone();
        tokio::spawn(async move {
            while panics(watching.follow(store.as_ref(), &stop)).await {
                tracing::error!("looking for more of the log panicked; it begins anew");
                tokio::time::sleep(MAX_WAIT).await;
            }
        });
        this
    }

    /// Returns once the log goes on behind `after`: a read has found nothing there, or a hole. Where it ends
    /// below, that is once it has got there.
    pub async fn goes_on(&self, after: Position) {
        let mut followed = self.followed.subscribe();
        self.followed.send_if_modified(|followed| {
            followed.waiting += 1;
            if followed.complete.is_none_or(|complete| complete > after) {
                followed.complete = Some(after);
                self.look.notify_one();
            }
            false
        });
        let _waiting = Waiting(self);
        let is_behind = |followed: &Followed| followed.complete.is_some_and(|it| it > after);
        if followed.wait_for(is_behind).await.is_err() {
            std::future::pending::<()>().await; // Its sender is in `self`.
        }
    }

    async fn follow(&self, store: &dyn EventStore, stop: &CancellationToken) {
        let mut appended = store.append_notifier().subscribe();
        while !stop.is_cancelled() {
            let looked = self.look(store).await;
            if let Err(failure) = &looked {
                tracing::debug!(%failure, "looking for more of the log");
            }
            let next_look = async {
                match looked {
                    Ok(Looked::NotAsked) => self.look.notified().await,
                    Ok(Looked::ToTheEnd) => {
                        tokio::time::sleep(LOOK_INTERVAL).await;
                        tokio::select! {
                            () = appended.wait(MAX_WAIT) => {}
                            () = self.look.notified() => {}
                        }
                    }
                    Ok(Looked::ThereIsMore) => {}
                    Err(_) => tokio::time::sleep(MAX_WAIT).await,
                }
            };
            stop.run_until_cancelled(next_look).await;
        }
    }

    /// Goes on along the log, up to its end or its first hole. Positions alone are read.
    async fn look(&self, store: &dyn EventStore) -> Result<Looked> {
        let Some(from) = self.followed.borrow().complete else { return Ok(Looked::NotAsked) };
        let there = match store.own_positions(from, PAGE) {
            own if !own.is_empty() => own,
            _ => store.read_positions(from, PAGE).await?,
        };
        let run = following(from, &there);
        let mut looked = Looked::ToTheEnd;
        self.followed.send_if_modified(|followed| {
            let is_asked_for = followed.complete == Some(from);
            if run == PAGE || !is_asked_for {
                looked = Looked::ThereIsMore; // Or a request waits behind a lower position by now.
            }
            if is_asked_for && run > 0 {
                followed.complete = Some(from + run as Position);
            }
            is_asked_for && run > 0
        });
        Ok(looked)
    }
}

/// How many of these positions follow `from` without a gap. A client names `from`, and may name the highest
/// number that there is.
fn following(from: Position, there: &[Position]) -> usize {
    there.iter().zip(from.saturating_add(1)..).take_while(|it| *it.0 == it.1).count()
}

/// How far a look has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looked {
    NotAsked,
    ToTheEnd,
    ThereIsMore,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_follow_up_to_a_gap_and_none_follows_the_highest() {
        assert_eq!(following(3, &[4, 5, 7]), 2);
        assert_eq!(following(3, &[5, 6]), 0);
        assert_eq!(following(3, &[]), 0);
        assert_eq!(following(Position::MAX, &[]), 0);
    }
}
