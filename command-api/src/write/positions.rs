//! Which commit gets which position: always a greater one than that of the commit it follows.

use std::collections::BTreeSet;
use std::sync::Arc;

use shared::event_store::EventStore;
use shared::log::Position;
use shared::{Failure, Result, crash};

/// Draws that may turn out too small before the counter must be taken for broken.
const DRAWS: u32 = 5;

/// Finds a position above each of `after`. Positions that are left over stay in `owed`.
pub async fn assign(
    store: &Arc<dyn EventStore>,
    after: &[Position],
    owed: &mut BTreeSet<Position>,
) -> Result<Vec<Position>> {
    let mut assigned: Vec<Option<Position>> =
        after.iter().map(|after| take(owed, *after)).collect();
    for draw in 0..DRAWS {
        let missing = assigned.iter().filter(|position| position.is_none()).count();
        if missing == 0 {
            break;
        }
        if draw > 0 {
            store.raise_counter().await?;
        }
        crash::point("draw.before");
        match store.draw(missing).await {
            Ok(drawn) => {
                crash::point("draw.after");
                owed.extend(drawn);
            }
            Err(error) => {
                owed.extend(assigned.into_iter().flatten());
                return Err(error);
            }
        }
        for (position, after) in assigned.iter_mut().zip(after) {
            *position = position.or_else(|| take(owed, *after));
        }
    }
    let complete: Option<Vec<Position>> = assigned.iter().copied().collect();
    complete.ok_or_else(|| {
        owed.extend(assigned.into_iter().flatten());
        Failure::transient("drawing positions", "the counter stays behind the log")
    })
}

/// The smallest position that is greater.
fn take(owed: &mut BTreeSet<Position>, after: Position) -> Option<Position> {
    let position = owed.range(after + 1..).next().copied()?;
    owed.remove(&position);
    Some(position)
}
