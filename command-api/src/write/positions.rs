//! Which commit gets which position: always a greater one than that of the commit it follows.

use std::collections::BTreeSet;
use std::sync::Arc;

use kernel::log::Position;
use kernel::{Failure, Result};
use shared::event_store::EventStore;
use shared::service::failpoint;

/// Draws that may turn out too small before the counter must be taken for broken.
const DRAWS: u32 = 5;

/// How far above the log positions are drawn after so many collisions of a command. The first may be the
/// end of a guess, and the counter is right. Later ones say that another writer guesses: it has taken
/// what is right above the head before this one can insert there. What it does not come to fill is
/// sealed after a second.
pub fn margin(collisions: u32) -> Position {
    match collisions {
        0 => 0,
        1 => 512,
        _ => 4_096,
    }
}

/// Finds a position above each of `after`, and above the one before it where that is `None`. Positions that are left over stay in `unused_positions`, and all of
/// them after a failure.
pub async fn assign(
    store: &Arc<dyn EventStore>,
    after: &[Option<Position>],
    unused_positions: &mut BTreeSet<Position>,
) -> Result<Vec<Position>> {
    let mut assigned = vec![None; after.len()];
    let filled = fill(store, after, unused_positions, &mut assigned).await;
    let assigned = assigned.into_iter().flatten();
    match filled {
        Ok(()) => Ok(assigned.collect()),
        Err(failure) => {
            unused_positions.extend(assigned);
            Err(failure)
        }
    }
}

async fn fill(
    store: &Arc<dyn EventStore>,
    after: &[Option<Position>],
    unused_positions: &mut BTreeSet<Position>,
    assigned: &mut [Option<Position>],
) -> Result<()> {
    for draw in 0..=DRAWS {
        let mut before = None;
        for (position, after) in assigned.iter_mut().zip(after) {
            *position = position.or_else(|| take(unused_positions, after.or(before)?));
            before = *position;
        }
        let missing = assigned.iter().filter(|position| position.is_none()).count();
        if missing == 0 {
            return Ok(());
        }
        if draw == DRAWS {
            break;
        }
        if draw > 0 {
            store.raise_counter(0).await?;
        }
        failpoint::hit("draw.before");
        unused_positions.extend(store.reserve_positions(missing).await?);
        failpoint::hit("draw.after");
    }
    Err(Failure::transient("drawing positions", "the counter stays behind the log"))
}

/// The smallest position that is greater.
fn take(unused_positions: &mut BTreeSet<Position>, after: Position) -> Option<Position> {
    let position = unused_positions.range(after + 1..).next().copied()?;
    unused_positions.remove(&position);
    Some(position)
}
