//! What all services of Waybill share: the ports with their adapters, and the small HTTP,
//! configuration and telemetry kit. What a domain needs is in the crate `kernel`.
//!
//! Nothing in here knows what an order is.

pub mod backoff;
pub mod config;
pub mod crash;
pub mod event_store;
pub mod feed;
pub mod health;
pub mod http;
pub mod message;
pub mod open_files;
pub mod pace;
pub mod problem;
pub mod process;
#[cfg(feature = "rabbitmq")]
pub mod rabbitmq;
pub mod service_gate;
pub mod shutdown;
pub mod signal;
pub mod strict_json;
pub mod telemetry;
pub mod token;
pub mod view_store;
pub mod wait;
