//! What all services of Waybill share: the ports with their adapters, messaging, the small HTTP kit,
//! and the shell of a service. What a domain needs is in the crate `kernel`.
//!
//! Nothing in here knows what an order is.

pub mod auth;
pub mod diagnosis;
pub mod endpoint;
pub mod event_store;
pub mod feed;
pub mod http;
pub mod messaging;
pub mod operation_log;
pub mod service;
pub mod tls;
pub mod view_store;
