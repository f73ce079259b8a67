//! What command-api counts and measures: docs/reference/metrics.md.

use shared::event_store::Inserted;
use shared::service::metrics::{Counter, Gauge, Histogram, Metric, tell_of};

use crate::write::{Outcome, Rejected};

/// What becomes of commands.
const OUTCOMES: [&str; 12] = [
    "accepted",
    "another_owner",
    "broken",
    "conflict",
    "key_in_flight",
    "key_mismatch",
    "not_attempted",
    "overloaded",
    "refused",
    "unavailable",
    "unknown",
    "version_mismatch",
];
/// Stands for the type of a command that was turned away before it was read.
pub const UNREAD: &str = "unread";

pub static COMMANDS: Counter = Counter::by_two(
    "waybill_commands_total",
    "Commands that were answered, by type and outcome.",
    &["type", "outcome"],
);
pub static RETRIES: Counter = Counter::by(
    "waybill_command_retries_total",
    "Fresh starts of commands: another was faster, the position was taken, or the append was lost.",
    &["cause"],
    &["stream", "position", "lost"],
);
pub static WAITING: Gauge =
    Gauge::new("waybill_commands_waiting", "Commands that were taken and are not answered yet.");
pub static HELD: Gauge = Gauge::new(
    "waybill_commands_held",
    "1 while commands are held back because the views are too far behind, or have to be looked at first, else 0.",
);
pub static VIEWS_LAG_SECONDS: Gauge = Gauge::new(
    "waybill_views_lag_seconds",
    "Age of the oldest commit that the live views are not known to hold.",
);
pub static VIEWS_LAG_COMMITS: Gauge =
    Gauge::new("waybill_views_lag_commits", "Commits that the live views are not known to hold.");
pub static RELAY_LAG_SECONDS: Gauge = Gauge::new(
    "waybill_relay_lag_seconds",
    "Age of the oldest commit that the exchange has not confirmed.",
);
pub static RELAY_LAG_COMMITS: Gauge =
    Gauge::new("waybill_relay_lag_commits", "Commits that the exchange has not confirmed.");
pub static GROUPS: Histogram =
    Histogram::of_sizes("waybill_group_commits", "Commits that were inserted together.");
pub static APPENDS: Histogram = Histogram::of_seconds(
    "waybill_append_duration_seconds",
    "Time of an insert into the log, until a majority has it in its journal.",
    &[],
);
pub static EVENTS: Counter = Counter::by(
    "waybill_appended_events_total",
    "Events that were appended and acknowledged, by type.",
    &["type"],
    &[],
);
pub static STATES: Counter = Counter::by(
    "waybill_stream_states_total",
    "Decisions on commands, by the state that they were made on: kept, new stream, read, or that of the one before it in its group.",
    &["from"],
    &["cache", "new", "log", "chain"],
);
pub static DUPLICATES: Counter = Counter::new(
    "waybill_append_duplicates_total",
    "Commits that the log refused: their position, version or key was taken.",
);
pub static UNKNOWN: Counter = Counter::new(
    "waybill_appends_unknown_total",
    "Commits without an answer of the log, whose outcome was found out afterwards.",
);
pub static TOMBSTONES: Counter = Counter::by(
    "waybill_tombstones_total",
    "Tombstones for positions that were drawn and hold no commit: by the writer, or sealed as a hole.",
    &["by"],
    &["writer", "sealer"],
);
pub static RELAY_LEADS: Gauge = Gauge::new(
    "waybill_relay_leader",
    "1 while this process holds the lease of the relay, else 0.",
);
pub static RELAY_POSITION: Gauge = Gauge::new(
    "waybill_relay_position",
    "The position up to which the exchange has confirmed the log, at the leader of the relay.",
);
pub static RELAY_DELAY: Histogram = Histogram::of_seconds(
    "waybill_relay_delay_seconds",
    "Time from a commit to the confirm of its message: of the oldest commit of each publishing.",
    &[],
);
pub static RELAY_FAILURES: Counter = Counter::new(
    "waybill_relay_failures_total",
    "Times that the relay had to start again: broker or log away, or no queue bound.",
);
pub static MESSAGES: Counter = Counter::new(
    "waybill_published_messages_total",
    "Messages that the broker confirmed; after a restart some are published again.",
);
pub static PUBLISHED: Counter = Counter::new(
    "waybill_published_events_total",
    "Events in messages that the broker confirmed; after a restart some are published again.",
);

/// Makes them part of what the process tells.
pub fn tell() {
    let all: [&dyn Metric; 21] = [
        &COMMANDS,
        &RETRIES,
        &WAITING,
        &HELD,
        &VIEWS_LAG_SECONDS,
        &VIEWS_LAG_COMMITS,
        &GROUPS,
        &APPENDS,
        &EVENTS,
        &STATES,
        &DUPLICATES,
        &UNKNOWN,
        &TOMBSTONES,
        &RELAY_LAG_SECONDS,
        &RELAY_LAG_COMMITS,
        &RELAY_LEADS,
        &RELAY_POSITION,
        &RELAY_DELAY,
        &RELAY_FAILURES,
        &MESSAGES,
        &PUBLISHED,
    ];
    tell_of(&all);
}

/// Tells of every pair of type and outcome from the start: what appears with its first event shows no
/// increase.
pub fn tell_of_commands(types: impl Iterator<Item = &'static str>) {
    for kind in types.chain([UNREAD]) {
        OUTCOMES.iter().for_each(|outcome| COMMANDS.add_to_pair([kind, outcome], 0));
    }
}

/// Counts the tombstones that were written: the others found something at their position.
pub fn sealed(by: &'static str, outcomes: &[Inserted]) -> usize {
    let written = outcomes.iter().filter(|outcome| **outcome == Inserted::Written).count();
    TOMBSTONES.add_to(by, written);
    written
}

/// Counts a command for which there is no room.
pub fn turned_away(kind: &str) {
    COMMANDS.add_to_pair([kind, "overloaded"], 1);
}

/// Counts a command that is answered.
pub fn answered(kind: &str, outcome: &Outcome) {
    let name = match outcome {
        Ok(_) => "accepted",
        Err(Rejected::Refused(_)) => "refused",
        Err(Rejected::VersionMismatch { .. }) => "version_mismatch",
        Err(Rejected::OfAnotherOwner) => "another_owner",
        Err(Rejected::KeyInFlight) => "key_in_flight",
        Err(Rejected::KeyMismatch) => "key_mismatch",
        Err(Rejected::Conflict) => "conflict",
        Err(Rejected::NotAttempted) => "not_attempted",
        Err(Rejected::Overloaded) => "overloaded",
        Err(Rejected::Unavailable(_)) => "unavailable",
        Err(Rejected::Broken(_)) => "broken",
        Err(Rejected::Unknown) => "unknown",
    };
    COMMANDS.add_to_pair([kind, name], 1);
}
