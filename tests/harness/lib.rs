//! What tests share: where the servers are, names of their own on them, and waiting for conditions.

#![allow(missing_docs, reason = "a part of the tests, not a library for others")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

pub mod browser;
pub mod client;
pub mod counted;
pub mod decorator;
pub mod descriptions;
pub mod door;
pub mod embedded;
pub mod faulty;
pub mod frames;
pub mod fuzz;
pub mod held;
pub mod jwt_keys;
pub mod key_server;
pub mod live;
pub mod load;
pub mod memory;
pub mod namespaces;
pub mod operators;
pub mod orders;
pub mod otlp;
pub mod program;
pub mod prometheus;
pub mod proxy;
pub mod python;
pub mod recording;
pub mod relaying;
pub mod requests;
pub mod sabotage;
pub mod servers;
pub mod services;
pub mod serving;
pub mod stores;
pub mod subject;
pub mod tokens;
pub mod torture;
pub mod toy;
pub mod unguarded;
pub mod until;
pub mod view_decorator;
pub mod watched;
pub mod working;

pub use namespaces::Own;
pub use until::{comes, let_pass, until, within};
