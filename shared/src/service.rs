//! The shell of a service: configuration, start and end of the process, what it waits for, and what
//! its loops wait with.

pub mod backoff;
pub mod clock;
pub mod config;
pub mod failpoint;
pub mod health;
pub mod liveness;
pub mod log_sampler;
pub mod metrics;
pub mod min_interval;
pub mod open_files;
pub mod process;
pub mod retry;
pub mod shell;
pub mod shutdown;
pub mod slot;
pub mod telemetry;
pub mod traces;
pub mod vital;
