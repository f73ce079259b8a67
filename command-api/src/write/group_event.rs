//! What a group tells the scheduler.

use kernel::aggregate::Aggregate;
use kernel::log::{Position, StreamName};

use super::pending_command::PendingCommand;
use super::stream_state::StreamState;

#[expect(clippy::large_enum_variant, reason = "nearly all events are of commands")]
pub enum GroupEvent<A: Aggregate> {
    /// A command of a stream is no longer in the group.
    Left {
        stream: StreamName,
        /// The stream's state, where it is known for certain.
        state: Option<StreamState<A>>,
        /// The command, where it must start afresh; it waits where it did before.
        retry: Option<PendingCommand<A>>,
        /// The idempotency key of the command that was answered.
        key: Option<String>,
        /// Of the state after the commit that was appended; 0 where none was.
        appended_bytes: usize,
    },
    /// The group is over; these positions were reserved and not used.
    Over {
        unused_positions: Vec<Position>,
        /// It had commands, and not positions alone.
        of_commands: bool,
    },
    /// The group ended by a fault: what became of its commands is not known.
    Died,
}
