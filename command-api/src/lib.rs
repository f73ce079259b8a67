//! Takes commands, appends their events to the log, and relays the log to the exchange.
//!
//! `routes` read requests, `write` decides and appends in groups, `relay` follows the log, and
//! `audit` reads it back.

pub mod audit;
#[cfg(feature = "servers")]
pub mod config;
#[cfg(feature = "servers")]
pub mod relay;
pub mod routes;
#[cfg(feature = "servers")]
pub mod run;
pub mod service;
pub mod write;

pub use service::Service;
