//! What all services of Waybill share: the log and the views, the two pure traits that a domain
//! implements, the ports with their adapters, and the small HTTP, configuration and telemetry kit.
//!
//! Nothing in here knows what an order is.

pub mod aggregate;
pub mod backoff;
pub mod config;
pub mod crash;
pub mod event_store;
pub mod failure;
pub mod feed;
pub mod health;
pub mod http;
pub mod log;
pub mod message;
pub mod namespace;
pub mod open_files;
pub mod pace;
pub mod problem;
pub mod process;
pub mod projection;
pub mod queries;
#[cfg(feature = "rabbitmq")]
pub mod rabbitmq;
pub mod service_gate;
pub mod shutdown;
pub mod signal;
pub mod strict_json;
pub mod telemetry;
pub mod timestamp;
pub mod token;
pub mod view_store;
pub mod wait;

pub use failure::{Failure, Result};
pub use namespace::Namespace;
pub use timestamp::Timestamp;
