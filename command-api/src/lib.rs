//! Takes commands, appends their events to the log, and relays the log to the exchange.
//!
//! `routes` read requests, `write` decides and appends in groups, `relay` follows the log, `seal`
//! closes its holes, `lag` tells how far what follows it is, and `audit` reads it back, with `log_watch` for
//! requests that wait for more.

mod audit;
mod client_semaphore;
#[cfg(feature = "servers")]
pub mod config;
mod lag;
mod log_watch;
mod metrics;
#[cfg(feature = "servers")]
pub mod relay;
pub mod routes;
#[cfg(feature = "servers")]
pub mod run;
#[cfg(feature = "servers")]
pub mod seal;
pub mod service;
mod told;
pub mod write;

pub use service::Service;
