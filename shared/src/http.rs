//! The small HTTP kit of the services: serving with limits and a deadline, bodies, answers.

mod accept;
pub mod access;
pub mod answer;
pub mod api;
pub mod body;
pub mod consistency_token;
pub mod cors;
pub mod fields;
mod front;
pub mod guard;
pub mod hosts;
pub mod limits;
mod measured;
pub mod origin;
pub mod path;
pub mod probes;
pub mod problem;
pub mod serve;
pub mod session;
pub mod strict_json;
mod timed;
pub mod wait;

pub use access::Access;
pub use answer::{Answer, close, json};
pub use body::body;
pub use cors::{Cors, Origins};
pub use front::Callers;
pub use guard::Guard;
pub use hosts::Hosts;
pub use limits::Limits;
pub(crate) use measured::REQUESTS;
pub use serve::serve;
