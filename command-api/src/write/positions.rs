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

/// Finds a position above each of `after`, and above the one before it where that is `None`. Positions
/// that are left over stay in `unused_positions`, and all of them after a failure.
pub async fn assign(
    store: &Arc<dyn EventStore>,
    after: &[Option<Position>],
    unused_positions: &mut BTreeSet<Position>,
) -> Result<Vec<Position>> {
    for draw in 0..=DRAWS {
        let assigned = take_all(after, unused_positions);
        let found: Vec<Position> = assigned.iter().map_while(|position| *position).collect();
        if found.len() == after.len() {
            return Ok(found);
        }
        // Each draw begins afresh: the counter may stand below what an earlier draw has guessed.
        let missing = assigned.iter().filter(|position| position.is_none()).count();
        unused_positions.extend(assigned.into_iter().flatten());
        if draw == DRAWS {
            break;
        }
        if draw > 0 {
            store.raise_counter(0).await?;
        }
        failpoint::hit("draw.before");
        let count = if draw == 0 { missing } else { after.len() };
        unused_positions.extend(store.reserve_positions(count).await?);
        failpoint::hit("draw.after");
    }
    Err(Failure::transient("drawing positions", "the counter stays behind the log"))
}

/// A position for each of `after`, where there is one.
fn take_all(
    after: &[Option<Position>],
    unused_positions: &mut BTreeSet<Position>,
) -> Vec<Option<Position>> {
    let mut before = None;
    let above = |after: &Option<Position>| {
        before = after.or(before).and_then(|after| take(unused_positions, after));
        before
    };
    after.iter().map(above).collect()
}

/// The smallest position that is greater.
fn take(unused_positions: &mut BTreeSet<Position>, after: Position) -> Option<Position> {
    let position = unused_positions.range(after + 1..).next().copied()?;
    unused_positions.remove(&position);
    Some(position)
}
