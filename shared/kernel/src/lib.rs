//! What a domain needs and nothing else: aggregates, projections, queries, the terms of the log.
//!
//! Pure: no server, no runtime, no HTTP. A domain depends on this crate alone.

pub mod aggregate;
pub mod contract;
pub mod failure;
pub mod json;
pub mod live;
pub mod log;
pub mod namespace;
pub mod parameters;
pub mod projection;
pub mod query;
pub mod timestamp;
pub mod views;

pub use failure::{Failure, Result};
pub use namespace::Namespace;
pub use timestamp::Timestamp;
