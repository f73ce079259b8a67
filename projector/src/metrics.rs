//! What the projector counts and measures: docs/reference/metrics.md.

use shared::service::metrics::{Counter, Gauge, Histogram, Metric, tell_of};
use shared::view_store::Applied;

pub static BATCHES: Histogram =
    Histogram::of_sizes("waybill_batch_events", "Events that were taken from the feed together.");
pub static APPLIES: Histogram = Histogram::of_seconds(
    "waybill_apply_duration_seconds",
    "Time to bring a batch of events into the views, reading included.",
    &[],
);
pub static DELAY: Histogram = Histogram::of_seconds(
    "waybill_view_delay_seconds",
    "Time from a commit to its change of the views: of the oldest event of each batch.",
    &[],
);
pub static CHANGES: Counter = Counter::by(
    "waybill_changes_total",
    "Changes of views that were written, or not, by outcome.",
    &["outcome"],
    &["applied", "duplicate", "no_generation", "out_of_range", "stale", "still_parked"],
);
pub static GAP_READS: Counter = Counter::new(
    "waybill_gap_reads_total",
    "Reads of the log for events that a batch missed, and no other worker applied in time.",
);
pub static PARKED: Counter = Counter::new(
    "waybill_streams_parked_total",
    "Streams that were parked by this worker: an event of theirs can't be applied.",
);
pub static HEALED: Counter = Counter::new(
    "waybill_healed_streams_total",
    "Streams whose views were repaired from the log: their messages did not come in time.",
);
pub static HEALER_LAG: Gauge = Gauge::new(
    "waybill_healer_lag_seconds",
    "How long the worker that heals has known of the oldest commit that it has not found in the views.",
);
pub static HEALS: Gauge = Gauge::new(
    "waybill_healer_leader",
    "1 while this worker holds the lease of the healer, else 0.",
);
pub static CHECKPOINT: Gauge = Gauge::new(
    "waybill_views_checkpoint_position",
    "Up to here all commits are in the live views, as the worker knows that heals them.",
);
pub static HEAD: Gauge = Gauge::new(
    "waybill_log_head_position",
    "The highest position of the log, as the worker knows that heals the views.",
);
pub static SERVES: Gauge =
    Gauge::new("waybill_worker_serving", "1 while this worker serves the live views, else 0.");
pub static BUILDS: Gauge = Gauge::new(
    "waybill_rebuild_running",
    "1 while this worker makes a generation of views, else 0.",
);
pub static BUILT: Gauge = Gauge::new(
    "waybill_rebuild_position",
    "Up to here the commits are in the generation that this worker makes, or made last.",
);

pub static BUILD_TARGET: Gauge = Gauge::new(
    "waybill_rebuild_target_position",
    "The position up to which a generation is made before it goes live, or was.",
);
pub static REBUILDS: Counter = Counter::new(
    "waybill_rebuilds_total",
    "Generations of views that this worker has made and put in the place of the live one.",
);
pub static FAILURES: Counter = Counter::new(
    "waybill_worker_failures_total",
    "Times that this worker had to start again: a server away, or events that it could not apply.",
);
pub static QUEUED: Gauge = Gauge::new(
    "waybill_queue_messages",
    "Messages that wait for the live views, those at workers left out, as the worker knows that heals.",
);
pub static DEAD_LETTERS: Gauge = Gauge::new(
    "waybill_dead_letters",
    "Messages that are no events, kept until an operator discards them, as the worker knows that heals.",
);
pub static PARKED_NOW: Gauge = Gauge::new(
    "waybill_parked_streams",
    "Streams that are parked in the live views, as the worker knows that heals them.",
);

/// Makes them part of what the process tells.
pub fn tell() {
    let all: [&dyn Metric; 20] = [
        &BATCHES,
        &APPLIES,
        &DELAY,
        &CHANGES,
        &GAP_READS,
        &PARKED,
        &HEALED,
        &HEALER_LAG,
        &HEALS,
        &CHECKPOINT,
        &HEAD,
        &SERVES,
        &BUILDS,
        &BUILT,
        &BUILD_TARGET,
        &REBUILDS,
        &FAILURES,
        &QUEUED,
        &DEAD_LETTERS,
        &PARKED_NOW,
    ];
    tell_of(&all);
}

/// Counts what became of changes.
pub fn applied(outcomes: &[Applied]) {
    for outcome in outcomes {
        let name = match outcome {
            Applied::Applied => "applied",
            Applied::StillParked => "still_parked",
            Applied::Duplicate => "duplicate",
            Applied::Stale(_) => "stale",
            Applied::OutOfRange => "out_of_range",
            Applied::NoGeneration => "no_generation",
        };
        CHANGES.add_to(name, 1);
    }
}
