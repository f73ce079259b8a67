//! Answers questions from the views alone.
//!
//! `routes` read requests, `service` finds the live generation, `reader` follows its updates for the
//! queries that wait for a view (`wait_list`) and for streams of events (`live`); what can be asked is
//! the domain's (`kernel::query::Queries`).

#[cfg(feature = "servers")]
pub mod config;
mod contained;
pub mod dashboard;
mod describe;
pub mod freshness;
pub mod live;
mod metrics;
mod places;
mod reader;
pub mod routes;
#[cfg(feature = "servers")]
pub mod run;
pub mod service;
mod unanswered;
mod wait_list;

pub use service::Service;
