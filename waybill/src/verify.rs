//! `waybill verify`: folds the log with the pure projection and compares every view with it.
//!
//! Each order is compared at its view's version. What spans orders (lists, customers, sums) is
//! compared when the system is quiet: when every view is at the end of its stream.

mod compare;
mod fold;

use std::time::{Duration, Instant};

use kernel::Result;

use self::compare::Compare;
use self::fold::Folded;
pub use self::fold::Parked;
use crate::client::Client;

/// What verification found.
#[derive(Debug, Default)]
pub struct Report {
    /// Commits in the log.
    pub commits: usize,
    /// Orders in the log.
    pub orders: usize,
    /// Whether everything was compared, and not the orders alone.
    pub quiet: bool,
    /// Orders whose views had not caught up in time.
    pub behind: usize,
    /// A line for each view that is not what the log says.
    pub differences: Vec<String>,
}

/// Folds the log, and waits up to `wait` for the views to contain it.
pub async fn check(commands: &Client, queries: &Client, wait: Duration) -> Result<Report> {
    check_but(&Parked::new(), commands, queries, wait).await
}

/// The same, with a bar on standard error.
pub async fn check_with_progress(
    commands: &Client,
    queries: &Client,
    wait: Duration,
) -> Result<Report> {
    check_folded(Folded::with_progress(), commands, queries, wait).await
}

/// The same, where the views of some streams must end right before an event that can't be applied.
pub async fn check_but(
    parked: &Parked,
    commands: &Client,
    queries: &Client,
    wait: Duration,
) -> Result<Report> {
    check_folded(Folded::but(parked), commands, queries, wait).await
}

async fn check_folded(
    mut folded: Folded,
    commands: &Client,
    queries: &Client,
    wait: Duration,
) -> Result<Report> {
    let deadline = Instant::now() + wait;
    loop {
        folded.read_on(commands).await?;
        let mut compare = Compare::new(&mut folded, commands, queries);
        let behind = compare.orders().await?;
        let quiet = behind == 0 && !compare.grew().await?;
        let quiet = quiet && {
            compare.everything_else().await?;
            !compare.grew().await?
        };
        if quiet || Instant::now() >= deadline {
            let mut differences = compare.finish();
            differences.extend(folded.irregular.iter().cloned());
            folded.bar.finish_and_clear();
            return Ok(Report {
                commits: folded.commits,
                orders: folded.streams.len(),
                quiet,
                behind,
                differences,
            });
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
