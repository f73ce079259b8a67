//! Answers questions from the views alone.
//!
//! `routes` read requests, `service` finds the live generation, `wait_list` tells when views
//! contain what a client has seen already; what can be asked is the domain's (`kernel::query::Queries`).

#[cfg(feature = "servers")]
pub mod config;
pub mod routes;
#[cfg(feature = "servers")]
pub mod run;
pub mod service;
mod wait_list;

pub use service::Service;
