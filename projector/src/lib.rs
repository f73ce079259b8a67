//! Keeps the views in step with the log.
//!
//! A [`Worker`] serves the live generation of views: it takes events from the generation's feed and
//! gives them to the `applier`, which brings them into the views; `parking` sets aside what can't be
//! applied, and the `retrier` tries it again. `rollout` decides by the `generations` that are there
//! which one is served, made or discarded, the `builder` makes one from the log, and the `remover`
//! removes what was replaced. The `healer` checks behind the workers that nothing is missing. Healer
//! and builder follow the log by the same `walker`, each under a lease of the `lease_holder`.
//! [`Operations`] is what operators ask of a worker, `admin` its HTTP; the `recorder` keeps what they
//! did, and the `census` counts what waits for them.

pub mod admin;
mod applier;
mod builder;
mod census;
#[cfg(feature = "servers")]
pub mod config;
mod generations;
mod healer;
mod lease_holder;
mod metrics;
mod operations;
mod parking;
mod recorder;
mod remover;
mod retrier;
mod rollout;
#[cfg(feature = "servers")]
pub mod run;
mod served;
mod traced;
mod views_health;
mod walker;
mod worker;

pub use self::applier::{Applier, BatchOutcome};
pub use self::operations::{Discard, Flow, GenerationStatus, Operations, Overview, Rebuild, Retry};
pub use self::parking::Parking;
pub use self::recorder::Error;
pub use self::retrier::Retrier;
pub use self::worker::{Dependencies, Worker};
